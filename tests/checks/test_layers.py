"""What tools/check_layers refuses, on trees of two or three files."""

import unittest

from support import CheckCase, run_tool

from checks import layers


def header(*includes):
    return "// A header.\n#pragma once\n" + "".join(f"#include {name}\n" for name in includes)


class DirectionTest(CheckCase):
    def check(self, user, used):
        return {user: header(f'"{used}"'), used: header()}

    def test_a_library_includes_what_is_below_it(self):
        for user, used in [
            ("lib/smtp/a.h", "lib/base/b.h"),
            ("lib/net/a.h", "lib/cluster/b.h"),
            ("lib/rpc/a.h", "lib/net/b.h"),
            ("lib/cluster/a.h", "lib/spool/b.h"),
            ("node/store/a.h", "lib/rpc/b.h"),
            ("node/store/a.h", "node/delivery/b.h"),
            ("tests/unit/node/a.h", "node/delivery/b.h"),
        ]:
            with self.subTest(user=user, used=used):
                self.assert_clean(layers.direction, self.check(user, used))

    def test_nothing_includes_upwards_or_sideways(self):
        for user, used in [
            ("lib/base/a.h", "lib/smtp/b.h"),
            ("lib/smtp/a.h", "lib/spool/b.h"),
            ("lib/spool/a.h", "lib/cluster/b.h"),
            ("lib/net/a.h", "lib/rpc/b.h"),
            ("lib/rpc/a.h", "node/store/b.h"),
            ("node/store/a.h", "coordinator/store/b.h"),
            ("ctl/a.h", "node/delivery/b.h"),
            ("smtp-frontend/a.h", "tests/support/b.h"),
        ]:
            with self.subTest(user=user, used=used):
                tree = self.check(user, used)
                self.assert_problem(layers.direction, tree, f"{user}:3:", "may not include")

    def test_an_own_include_is_written_from_the_root_and_exists(self):
        tree = {"lib/smtp/a.h": header('"../base/b.h"'), "lib/base/b.h": header()}
        self.assert_problem(layers.direction, tree, "lib/smtp/a.h:3:", "from the root")
        tree = {"lib/smtp/a.h": header('"lib/base/gone.h"')}
        self.assert_problem(layers.direction, tree, "is not there")
        tree = {"lib/smtp/a.h": header("<lib/base/b.h>"), "lib/base/b.h": header()}
        self.assert_problem(layers.direction, tree, "take quotes")

    def test_a_commented_include_is_no_include(self):
        tree = {"lib/base/a.h": header() + '// #include "lib/smtp/b.h"\n', "lib/smtp/b.h": header()}
        self.assert_clean(layers.direction, tree)
        tree["lib/base/a.h"] = header() + '/*\n#include "lib/smtp/b.h"\n*/\n'
        self.assert_clean(layers.direction, tree)


class PlacesTest(CheckCase):
    def test_rocksdb_is_known_under_store_only(self):
        self.assert_clean(layers.places, {"node/store/a.h": header("<rocksdb/db.h>")})
        self.assert_clean(layers.places, {"coordinator/store/a.h": header('"rocksdb/db.h"')})
        self.assert_clean(layers.places, {"tests/unit/store/a.h": header('"rocksdb/db.h"')})
        for path in ["node/delivery/a.h", "lib/store/a.h", "lib/spool/a.h", "ctl/store.h"]:
            with self.subTest(path=path):
                tree = {path: header("<rocksdb/db.h>")}
                self.assert_problem(layers.places, tree, f"{path}:3:", "only under store/")

    def test_generated_headers_stay_at_the_edge(self):
        generated = header('"fermoposta/v1/spool.pb.h"')
        for path in ["lib/rpc/a.h", "node/a_service.h", "ctl/x_client.cc", "node/main.cc",
                     "coordinator/b_config.cc", "tests/unit/rpc/a.cc"]:
            with self.subTest(path=path):
                self.assert_clean(layers.places, {path: generated})
        for path in ["lib/net/a.h", "node/service.h", "node/delivery/a.cc", "lib/smtp/main.cc"]:
            with self.subTest(path=path):
                self.assert_problem(layers.places, {path: generated}, "generated headers only")


class PurityTest(CheckCase):
    def test_pure_code_includes_no_io(self):
        for name in ["boost/asio.hpp", "grpcpp/grpcpp.h", "rocksdb/db.h", "thread", "mutex",
                     "fstream", "sys/socket.h", "google/protobuf/message.h",
                     "absl/synchronization/mutex.h", "spdlog/spdlog.h"]:
            with self.subTest(name=name):
                tree = {"lib/cluster/a.h": header(f"<{name}>")}
                self.assert_problem(layers.purity, tree, "lib/cluster/a.h:3:", name)
                self.assert_clean(layers.purity, {"lib/net/a.h": header(f"<{name}>")})

    def test_pure_code_may_compute(self):
        names = ["<chrono>", "<string>", '"absl/status/statusor.h"', "<openssl/sha.h>",
                 "<roaring/roaring.hh>", '"absl/container/btree_map.h"']
        self.assert_clean(layers.purity, {"lib/spool/a.h": header(*names)})

    def test_it_is_refused_around_a_corner_too_with_the_way_there(self):
        tree = {
            "lib/spool/a.h": header('"lib/base/b.h"'),
            "lib/base/b.h": header('"lib/base/c.h"'),
            "lib/base/c.h": header("<mutex>"),
        }
        self.assert_problem(
            layers.purity, tree, "lib/spool/a.h:3:", "lib/base/b.h -> lib/base/c.h -> mutex"
        )

    def test_pure_code_reads_no_clock(self):
        for call in ["std::chrono::steady_clock::now()", "BootClock::now()", "WallNow()"]:
            with self.subTest(call=call):
                tree = {"lib/smtp/a.cc": f"auto t = {call};\n"}
                self.assert_problem(layers.purity, tree, "lib/smtp/a.cc:1:", "as an argument")
        self.assert_clean(layers.purity, {"lib/smtp/a.cc": "// never BootClock::now()\n"})


class CyclesTest(CheckCase):
    def test_folders_that_include_each_other_are_named_once(self):
        tree = {
            "node/store/a.h": header('"node/delivery/b.h"'),
            "node/delivery/b.h": header(),
            "node/delivery/c.h": header('"node/health/d.h"'),
            "node/health/d.h": header('"node/store/a.h"'),
        }
        self.assert_problem(
            layers.cycles, tree, "node/delivery -> node/health -> node/store -> node/delivery"
        )

    def test_a_chain_is_no_cycle(self):
        tree = {"node/store/a.h": header('"node/delivery/b.h"'), "node/delivery/b.h": header()}
        self.assert_clean(layers.cycles, tree)


class ProgramTest(unittest.TestCase):
    def test_it_prints_file_line_and_problem_and_exits_1(self):
        status, output = run_tool("check_layers", {"lib/smtp/a.h": header("<thread>")})
        self.assertEqual(status, 1)
        self.assertRegex(output, r"(?m)^lib/smtp/a\.h:3: pure code reaches <thread>")

    def test_it_exits_0_on_a_good_tree(self):
        tree = {"lib/smtp/a.h": header("<string>")}
        self.assertEqual(run_tool("check_layers", tree), (0, ""))


if __name__ == "__main__":
    unittest.main()
