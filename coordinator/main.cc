// fermo-coordinator: builds one coordinator from its configuration and runs it
// until a signal drains it or its store breaks.
#include "coordinator/coordinator.h"
#include "coordinator/coordinator_config.h"
#include "fermoposta/v1/config.pb.h"
#include "lib/net/daemon_main.h"
#include "lib/rpc/channel.h"

int main(int argc, char** argv) {
  fermo::rpc::SilenceGrpcLog();
  fermo::net::DaemonMain<fermo::coordinator::Coordinator, fermoposta::v1::CoordinatorConfig,
                         fermo::coordinator::CoordinatorOptions>
      coordinator;
  coordinator.program.name = "fermo-coordinator";
  coordinator.program.description =
      "Keeps the configuration of a Fermoposta cluster and answers operators.";
  coordinator.component = "coordinator";
  coordinator.check = &fermo::coordinator::CheckConfig;
  coordinator.to_options = &fermo::coordinator::ToOptions;
  return coordinator(argc, argv);
}
