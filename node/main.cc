// fermo-node: builds one node from its configuration and runs it
// until a signal drains it.
#include "fermoposta/v1/config.pb.h"
#include "lib/net/daemon_main.h"
#include "lib/rpc/channel.h"
#include "node/node.h"
#include "node/node_config.h"

int main(int argc, char** argv) {
  fermo::rpc::SilenceGrpcLog();
  fermo::net::DaemonMain<fermo::node::Node, fermoposta::v1::NodeConfig, fermo::node::NodeOptions>
      node;
  node.program.name = "fermo-node";
  node.program.description = "Keeps, replicates and delivers the mail of a Fermoposta cluster.";
  node.component = "node";
  node.check = &fermo::node::CheckConfig;
  node.to_options = &fermo::node::ToOptions;
  return node(argc, argv);
}
