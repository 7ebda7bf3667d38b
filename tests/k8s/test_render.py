#!/usr/bin/env python3
"""Each region's overlay renders, keeps the house's policies and starts the programs.

Needs kubectl (`kubectl kustomize` works offline), which Debian 12 does not
package: without it the tests are skipped and say so. FERMO_BIN names the
folder of the programs whose --check-config reads the rendered configurations.
"""

import copy
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import policy
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGIONS = sorted(path.name for path in (ROOT / "k8s" / "overlays").iterdir())
PROGRAMS = {"smtp-frontend": "fermo-smtp-frontend", "node": "fermo-node",
            "coordinator": "fermo-coordinator"}
BIN = pathlib.Path(os.environ.get("FERMO_BIN", ROOT / "build" / "release" / "bin"))
SKIPPED = 77  # what CTest takes for "skipped"
_rendered = {}


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML as Kubernetes reads it, but a repeated key is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, "a key twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load(text):
    return [obj for obj in yaml.load_all(text, UniqueKeyLoader) if obj]


def render(region):
    """The objects of a region's overlay; each call gives a copy of its own."""
    if region not in _rendered:
        command = ["kubectl", "kustomize", str(ROOT / "k8s" / "overlays" / region)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        _rendered[region] = load(done.stdout)
    return copy.deepcopy(_rendered[region])


def broken_rules(objects):
    return [rule.__name__ for rule in policy.ALL if list(rule(objects))]


class OverlayTest(unittest.TestCase):
    def test_there_is_an_overlay_for_each_region(self):
        self.assertEqual(REGIONS, ["catania", "firenze", "roma"])

    def test_every_overlay_keeps_every_policy(self):
        for region in REGIONS:
            objects = render(region)
            for rule in policy.ALL:
                with self.subTest(region=region, rule=rule.__name__):
                    self.assertEqual(list(rule(objects)), [])

    def test_no_object_appears_twice(self):
        for region in REGIONS:
            names = [policy.identity(obj) for obj in render(region)]
            self.assertEqual(len(names), len(set(names)), names)

    def test_one_region_has_the_coordinator_and_each_has_frontends_and_nodes(self):
        workloads = {region: {policy.identity(o) for o in
                              policy.of_kind(render(region), *policy.WORKLOADS)}
                     for region in REGIONS}
        for region, names in workloads.items():
            self.assertLessEqual({"Deployment smtp-frontend", "StatefulSet node"}, names, region)
        holders = [r for r, names in workloads.items() if "StatefulSet coordinator" in names]
        self.assertEqual(holders, ["firenze"])


class ConfigTest(unittest.TestCase):
    def configs(self):
        for region in REGIONS:
            for obj in policy.of_kind(render(region), "ConfigMap"):
                for name, text in obj["data"].items():
                    yield region, name, text

    def test_every_node_has_a_name_of_its_own_and_the_region_of_its_overlay(self):
        names = []
        for region, file, text in self.configs():
            config = load(text)[0]
            if file.startswith("node"):
                names.append(config["name"])
            if not file.startswith("coordinator"):
                self.assertEqual(config["region"], region, file)
        self.assertEqual(len(names), 6)
        self.assertEqual(len(set(names)), 6, names)

    def test_the_programs_accept_every_configuration(self):
        missing = [name for name in PROGRAMS.values() if not (BIN / name).exists()]
        if missing:
            self.skipTest(f"not built in {BIN}: {', '.join(missing)}")
        for region, file, text in self.configs():
            program = BIN / PROGRAMS[file.removesuffix(".yaml").rstrip("0123456789").rstrip("-")]
            with self.subTest(region=region, file=file), tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / file
                path.write_text(text)
                command = [program, "--config", path, "--check-config"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=30,
                                      check=False)
                self.assertEqual(done.returncode, 0, done.stderr + done.stdout)


class PolicyTest(unittest.TestCase):
    """Each policy refuses what it is for: one good overlay, spoilt in one place."""

    def spoilt(self, change):
        objects = render("firenze")
        change({policy.identity(obj): obj for obj in objects}, objects)
        return broken_rules(objects)

    def pod(self, by_name, name="StatefulSet node"):
        return by_name[name]["spec"]["template"]["spec"]

    def test_a_good_overlay_breaks_none(self):
        self.assertEqual(self.spoilt(lambda by_name, objects: None), [])

    def test_each_spoilt_overlay_breaks_the_rule_for_it(self):
        def container(by_name):
            return self.pod(by_name)["containers"][0]

        node, budget = "StatefulSet node", "PodDisruptionBudget node"
        cases = {
            "selectors": lambda n, _: n[node]["spec"]["selector"]["matchLabels"].update(a="b"),
            "ports": lambda n, _: n["Service smtp-frontend"]["spec"]["ports"][0].update(
                targetPort="imap"),
            "probes": lambda n, _: container(n).pop("readinessProbe"),
            "resources": lambda n, _: container(n)["resources"]["limits"].pop("memory"),
            "images": lambda n, _: container(n).update(image="fermoposta/node:latest"),
            "security": lambda n, _: container(n)["securityContext"].update(
                readOnlyRootFilesystem=False),
            "disruption": lambda n, objects: objects.remove(n[budget]),
            "stateful": lambda n, _: n["Service node"]["spec"].pop("publishNotReadyAddresses"),
            "network": lambda n, objects: objects.remove(n["NetworkPolicy default-deny"]),
            "services": lambda n, _: n["Service smtp-frontend"]["spec"].update(
                externalTrafficPolicy="Cluster"),
            "configs": lambda n, _: n[node]["spec"].update(replicas=3),
            "namespaces": lambda n, _: n[node]["metadata"].pop("namespace"),
        }
        self.assertEqual(set(cases), {rule.__name__ for rule in policy.ALL})
        for rule, change in cases.items():
            with self.subTest(rule=rule):
                self.assertEqual(self.spoilt(change), [rule])

    def test_a_repeated_key_is_no_yaml(self):
        with self.assertRaises(yaml.constructor.ConstructorError):
            load("a: 1\na: 2\n")


if __name__ == "__main__":
    if not shutil.which("kubectl"):
        print("skipped: kubectl is not at hand, and the overlays are rendered by "
              "`kubectl kustomize`")
        sys.exit(SKIPPED)
    unittest.main()
