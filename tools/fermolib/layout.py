"""What a local cluster consists of: names, ports, directories, config files."""

import os

REGIONS = ("firenze", "roma", "catania", "torino", "napoli", "bologna", "palermo", "venezia",
           "genova", "bari", "trieste", "cagliari", "perugia", "ancona", "trento", "aosta")
DEFAULT_BASE_PORT = 25250
PROGRAMS = {"coordinator": "fermo-coordinator", "node": "fermo-node",
            "smtp-frontend": "fermo-smtp-frontend"}
CTL = "fermoctl"


def caller_path(text):
    """A path as given on ./dev's command line: relative to where that was called."""
    return os.path.abspath(os.path.join(os.environ.get("FERMO_CALLER_DIR", ""), text))


def repository():
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def default_bin_dir():
    """FERMO_BIN, else the release build, else the dev build."""
    if os.environ.get("FERMO_BIN"):
        return os.path.abspath(os.environ["FERMO_BIN"])
    for preset in ("release", "dev"):
        folder = os.path.join(repository(), "build", preset, "bin")
        if not missing_programs(folder):
            return folder
    return os.path.join(repository(), "build", "release", "bin")


def missing_programs(bin_dir):
    wanted = [*PROGRAMS.values(), CTL]
    return [name for name in wanted if not os.access(os.path.join(bin_dir, name), os.X_OK)]


class Layout:
    """The plan of one cluster. Ports: the coordinator has base and base+1, the
    name server that nobody runs base+2, region r a stride of its own: frontend
    SMTP and HTTP, then gRPC and HTTP of each node."""

    def __init__(self, directory, regions=3, nodes_per_region=1, base_port=DEFAULT_BASE_PORT,
                 node_options=None, frontend_options=None, advertised=None):
        if not 1 <= regions <= len(REGIONS):
            raise ValueError(f"--regions must be between 1 and {len(REGIONS)}")
        if not 1 <= nodes_per_region <= 16:
            raise ValueError("--nodes-per-region must be between 1 and 16")
        self.directory = os.path.abspath(directory)
        self.regions = REGIONS[:regions]
        self.nodes_per_region = nodes_per_region
        self.base_port = base_port
        self.node_options = node_options or {}
        self.frontend_options = frontend_options or {}
        self.advertised = advertised or {}  # node -> the address that others call
        self.stride = self._stride(nodes_per_region)
        if not 1 <= base_port or base_port + self.ports_needed(regions, nodes_per_region) > 65536:
            raise ValueError(f"--base-port {base_port} leaves no room for "
                             f"{self.ports_needed(regions, nodes_per_region)} ports")

    @staticmethod
    def _stride(nodes_per_region):
        return max(10, -(-(2 + 2 * nodes_per_region) // 10) * 10)

    @classmethod
    def ports_needed(cls, regions, nodes_per_region):
        return 10 + regions * cls._stride(nodes_per_region)

    def config_path(self, name):
        return os.path.join(self.directory, "config", name + ".yaml")

    def log_path(self, name):
        return os.path.join(self.directory, "log", name + ".log")

    def processes(self):
        """[{name, role, region, smtp, grpc, http, data}], keys as they apply."""
        result = [dict(name="coordinator", role="coordinator", grpc=_at(self.base_port),
                       http=_at(self.base_port + 1), data=self._data("coordinator"))]
        for index, region in enumerate(self.regions):
            port = self.base_port + 10 + index * self.stride
            for node in range(self.nodes_per_region):
                name = f"{region}-{node + 1}"
                result.append(dict(name=name, role="node", region=region,
                                   grpc=_at(port + 2 + 2 * node), http=_at(port + 3 + 2 * node),
                                   data=self._data(name)))
            name = f"{region}-mx"
            result.append(dict(name=name, role="smtp-frontend", region=region, smtp=_at(port),
                               http=_at(port + 1), data=self._data(name)))
        return result

    def _data(self, name):
        return os.path.join(self.directory, "data", name)

    def config(self, process):
        """The configuration of one process, as config.proto names its fields."""
        common = dict(name=process["name"], insecure=True, http_listen=process["http"],
                      **({"log": {"level": os.environ["FERMO_LOG"]}}
                         if os.environ.get("FERMO_LOG") else {}))
        coordinators = [_at(self.base_port)]
        if process["role"] == "coordinator":
            return dict(common, listen=process["grpc"], data_dir=process["data"])
        if process["role"] == "smtp-frontend":
            return dict(common, region=process["region"], listen=process["smtp"],
                        hostname=f"mx.{process['region']}.fermoposta.test",
                        state_dir=process["data"], coordinators=coordinators,
                        **self.frontend_options)
        nodes = len(self.regions) * self.nodes_per_region
        config = dict(common, region=process["region"], listen=process["grpc"],
                      data_dir=process["data"], coordinators=coordinators,
                      copies=min(3, nodes), write_copies=min(2, nodes),
                      min_regions=min(2, len(self.regions)),
                      # Nobody listens there: nothing may ask the machine's own resolver.
                      delivery={"dns_servers": [_at(self.base_port + 2)]})
        if process["name"] in self.advertised:
            config["advertise_address"] = self.advertised[process["name"]]
        for key, value in self.node_options.items():
            config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
        return config

    def write_configs(self):
        """Writes every config file and makes the data directories."""
        for process in self.processes():
            path = self.config_path(process["name"])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.makedirs(process["data"], exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(to_yaml(self.config(process)))


def _at(port):
    return f"127.0.0.1:{port}"


def to_yaml(mapping, indent=""):
    """YAML of nested mappings, lists of scalars, strings, numbers and booleans."""
    lines = []
    for key, value in mapping.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:\n{to_yaml(value, indent + '  ')}".rstrip("\n"))
        elif isinstance(value, (list, tuple)):
            lines.append(f"{indent}{key}: [{', '.join(_scalar(item) for item in value)}]")
        else:
            lines.append(f"{indent}{key}: {_scalar(value)}")
    return "\n".join(lines) + "\n"


def _scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
