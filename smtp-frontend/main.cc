// fermo-smtp-frontend: builds one frontend from its configuration and runs it
// until a signal drains it.
#include "fermoposta/v1/config.pb.h"
#include "lib/net/daemon_main.h"
#include "lib/rpc/channel.h"
#include "smtp-frontend/frontend.h"
#include "smtp-frontend/frontend_config.h"

int main(int argc, char** argv) {
  fermo::rpc::SilenceGrpcLog();
  fermo::net::DaemonMain<fermo::frontend::Frontend, fermoposta::v1::FrontendConfig,
                         fermo::frontend::FrontendOptions>
      frontend;
  frontend.program.name = "fermo-smtp-frontend";
  frontend.program.description =
      "Speaks SMTP with the internet and hands mail to Fermoposta's nodes.";
  // Its memory is bounded by its connections, and small.
  frontend.program.malloc_top_pad = 0;
  frontend.component = "frontend";
  frontend.check = &fermo::frontend::CheckConfig;
  frontend.to_options = &fermo::frontend::ToOptions;
  return frontend(argc, argv);
}
