"""What this house demands of its Kubernetes manifests, as functions of the objects.

Each rule yields sentences; an empty result is a pass. Whether an API server
would admit the objects stays unproven: none is at hand offline.
"""

WORKLOADS = ("Deployment", "StatefulSet")
CLUSTER_SCOPED = ("Namespace",)


def identity(obj):
    return f"{obj['kind']} {obj['metadata']['name']}"


def of_kind(objects, *kinds):
    return [obj for obj in objects if obj["kind"] in kinds]


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def containers(workload):
    spec = workload["spec"]["template"]["spec"]
    return spec.get("initContainers", []) + spec["containers"]


def matches(selector, labels):
    """A label selector with matchLabels and the operator In."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        if rule["operator"] != "In" or labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


def selectors(objects):
    """Workloads select their own pods; Services, budgets and policies select some pod."""
    workloads = of_kind(objects, *WORKLOADS)
    for workload in workloads:
        if not matches(workload["spec"]["selector"], pod_labels(workload)):
            yield f"{identity(workload)}: its selector does not match its own pods"
    for obj in of_kind(objects, "Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = obj["spec"]
        selector = spec.get("selector", spec.get("podSelector"))
        if obj["kind"] == "Service":
            selector = {"matchLabels": selector}
        if not any(matches(selector, pod_labels(workload)) for workload in workloads):
            yield f"{identity(obj)}: its selector matches no pod"


def ports(objects):
    """Named ports of probes, Services and policies exist on the pods that they mean."""
    workloads = of_kind(objects, *WORKLOADS)
    for workload in workloads:
        for container in containers(workload):
            names = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                if port is not None and port not in names:
                    yield f"{identity(workload)}: {probe} asks port {port}, which is not there"
    for service in of_kind(objects, "Service"):
        for workload in workloads:
            if not matches({"matchLabels": service["spec"]["selector"]}, pod_labels(workload)):
                continue
            names = {p["name"] for c in containers(workload) for p in c.get("ports", [])}
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in names:
                    yield f"{identity(service)}: no port {port['targetPort']} on its pods"


def probes(objects):
    """Liveness looks at the process only, readiness at its work; a start may take long."""
    paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for workload in of_kind(objects, *WORKLOADS):
        for container in workload["spec"]["template"]["spec"]["containers"]:
            for probe, path in paths.items():
                if container.get(probe, {}).get("httpGet", {}).get("path") != path:
                    yield f"{identity(workload)}: {container['name']} has no {probe} on {path}"
            start = container.get("startupProbe", {})
            if start.get("periodSeconds", 10) * start.get("failureThreshold", 3) < 60:
                yield f"{identity(workload)}: {container['name']} has less than 60 s to start"


def resources(objects):
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            for kind in ("requests", "limits"):
                for name in ("cpu", "memory"):
                    if name not in container.get("resources", {}).get(kind, {}):
                        yield f"{identity(workload)}: {container['name']} has no {kind} of {name}"


def images(objects):
    """Fixed versions, and no registry: that is the installation's choice."""
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            name, colon, tag = container["image"].partition(":")
            if not colon or tag == "latest":
                yield f"{identity(workload)}: image {container['image']} names no version"
            if not name.startswith("fermoposta/"):
                yield f"{identity(workload)}: image {container['image']} names a registry"


def security(objects):
    for workload in of_kind(objects, *WORKLOADS):
        pod = workload["spec"]["template"]["spec"]
        context = pod.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{identity(workload)}: may run as root"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{identity(workload)}: has no seccomp profile"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{identity(workload)}: mounts a token that it does not need"
        if not pod.get("serviceAccountName"):
            yield f"{identity(workload)}: has no service account of its own"
        for container in containers(workload):
            own = container.get("securityContext", {})
            if own.get("allowPrivilegeEscalation") is not False:
                yield f"{identity(workload)}: {container['name']} may gain privileges"
            if own.get("readOnlyRootFilesystem") is not True:
                yield f"{identity(workload)}: {container['name']} may write its root filesystem"
            if own.get("capabilities", {}).get("drop") != ["ALL"]:
                yield f"{identity(workload)}: {container['name']} keeps capabilities"


def disruption(objects):
    """One budget per workload, which lets broken pods go; time to drain: a node
    waits up to 4 min for replies to final dots, then for its disk and its peers."""
    budgets = of_kind(objects, "PodDisruptionBudget")
    for budget in budgets:
        if budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{identity(budget)}: a broken pod would block a drain"
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"{identity(budget)}: maxUnavailable is not 1"
    for workload in of_kind(objects, *WORKLOADS):
        labels = pod_labels(workload)
        count = sum(matches(budget["spec"]["selector"], labels) for budget in budgets)
        if count != 1:
            yield f"{identity(workload)}: {count} disruption budgets instead of one"
        needed = 330 if workload["metadata"]["name"].endswith("node") else 300
        if workload["spec"]["template"]["spec"].get("terminationGracePeriodSeconds") != needed:
            yield f"{identity(workload)}: has not {needed} s to drain"


def stateful(objects):
    """Volumes stay, pods start together, their names exist before they are ready."""
    for workload in of_kind(objects, "StatefulSet"):
        spec, name = workload["spec"], identity(workload)
        if spec.get("podManagementPolicy") != "Parallel":
            yield f"{name}: pods wait for one another"
        kept = {"whenDeleted": "Retain", "whenScaled": "Retain"}
        if spec.get("persistentVolumeClaimRetentionPolicy") != kept:
            yield f"{name}: its volumes may be deleted"
        if not spec["template"]["spec"].get("affinity", {}).get("podAntiAffinity"):
            yield f"{name}: its pods may share a machine"
        services = [s for s in of_kind(objects, "Service")
                    if s["metadata"]["name"] == spec["serviceName"]]
        headless = [s for s in services if s["spec"].get("clusterIP") == "None"]
        if not headless or headless[0]["spec"].get("publishNotReadyAddresses") is not True:
            yield f"{name}: no headless service publishes its pods before they are ready"


def network(objects):
    """Everything is refused by default, and each workload says who may come."""
    policies = of_kind(objects, "NetworkPolicy")
    if not any(p["spec"]["podSelector"] == {} and not p["spec"].get("ingress") for p in policies):
        yield "no NetworkPolicy refuses by default"
    for workload in of_kind(objects, *WORKLOADS):
        own = [p for p in policies if p["spec"]["podSelector"]
               and matches(p["spec"]["podSelector"], pod_labels(workload))]
        if not own:
            yield f"{identity(workload)}: no NetworkPolicy of its own"


def services(objects):
    for service in of_kind(objects, "Service"):
        if service["spec"].get("type") != "LoadBalancer":
            continue
        if service["spec"].get("externalTrafficPolicy") != "Local":
            yield f"{identity(service)}: loses the clients' addresses"


def configs(objects):
    """Each ConfigMap that a pod mounts is there, with a file for each replica."""
    maps = {o["metadata"]["name"]: o.get("data", {}) for o in of_kind(objects, "ConfigMap")}
    for workload in of_kind(objects, *WORKLOADS):
        spec = workload["spec"]
        for volume in spec["template"]["spec"].get("volumes", []):
            if "configMap" not in volume:
                continue
            name = volume["configMap"]["name"]
            if name not in maps:
                yield f"{identity(workload)}: mounts {name}, which is not there"
                continue
            wanted = {f"{workload['metadata']['name']}.yaml"}
            if workload["kind"] == "StatefulSet":
                stem = workload["metadata"]["name"]
                wanted = {f"{stem}-{i}.yaml" for i in range(spec["replicas"])}
            if set(maps[name]) != wanted:
                yield f"{identity(workload)}: {name} has {sorted(maps[name])}, not {sorted(wanted)}"


def namespaces(objects):
    for obj in objects:
        if obj["kind"] not in CLUSTER_SCOPED and not obj["metadata"].get("namespace"):
            yield f"{identity(obj)}: lies in no namespace"


ALL = [selectors, ports, probes, resources, images, security, disruption, stateful, network,
       services, configs, namespaces]
