"""What tools/check_style refuses besides coroutines: size, text, headers, dead files."""

import unittest

from support import CheckCase, run_tool

from checks import cpp_text, functions, sources, style

HEADER = "// A header.\n#pragma once\n"
UNFINISHED = "TO" "DO"
PATH = "/wo" "rk/main"


def lines_of(count):
    return "".join(f"  Go({i});\n" for i in range(count))


class LengthTest(CheckCase):
    def test_a_file_of_400_lines_is_the_longest(self):
        for path in ["lib/net/a.cc", "tests/cluster/test_a.py", "dev"]:
            first = "#!/bin/bash\n" if path == "dev" else "\n"
            with self.subTest(path=path):
                self.assert_clean(style.length, {path: first + "\n" * 399})
                tree = {path: first + "\n" * 400}
                self.assert_problem(style.length, tree, f"{path}:401:", "401 lines")

    def test_prose_may_be_longer(self):
        self.assert_clean(style.length, {"docs/a.md": "\n" * 900})

    def test_a_function_of_70_lines_is_the_longest(self):
        for head in ["void Node::Run() {", "TEST(A, B) {", "int f(int a) const {",
                     "Node::Node(int a)\n    : a_{a}, b_(a) {", "template <class T>\nT f(T t) {"]:
            extra = head.count("\n")
            with self.subTest(head=head):
                good = f"namespace x {{\n{head}\n{lines_of(68 - extra)}}}\n}}\n"
                self.assert_clean(style.length, {"lib/net/a.cc": good})
                bad = f"namespace x {{\n{head}\n{lines_of(69 - extra)}}}\n}}\n"
                self.assert_problem(style.length, {"lib/net/a.cc": bad}, "a.cc:2:", "71 lines")

    def test_a_class_and_a_table_are_no_functions(self):
        text = "class A {\n" + "  int a();\n" * 90 + "};\n"
        self.assert_clean(style.length, {"lib/net/a.cc": text})
        text = "constexpr int kTable[] = {\n" + "  f(1),\n" * 90 + "};\n"
        self.assert_clean(style.length, {"lib/net/a.cc": text})

    def test_functions_within_a_class_are_found(self):
        text = "class A final : public B {\n public:\n  int Go() override {\n    if (a) {\n    }\n"
        found = functions.find(cpp_text.blank(text + "  }\n  A() = default;\n};\n"))
        self.assertEqual(found, [functions.Function("Go", 3, 6)])

    def test_python_functions_count_too(self):
        body = "".join(f"    a = {i}\n" for i in range(70))
        tree = {"tools/a.py": "def f():\n" + body}
        self.assert_problem(style.length, tree, "tools/a.py:1:", "f has 71 lines")


class LinesTest(CheckCase):
    def test_width_is_100_columns_of_code(self):
        self.assert_clean(style.lines, {"lib/net/a.cc": "x" * 100 + "\n"})
        self.assert_problem(style.lines, {"lib/net/a.cc": "x" * 101 + "\n"}, "a.cc:1:", "101 col")
        self.assert_clean(style.lines, {"docs/a.md": "x" * 500 + "\n"})

    def test_unfinished_work_is_refused_everywhere(self):
        for path in ["lib/net/a.cc", "docs/a.md", "k8s/a.yaml", "CMakeLists.txt"]:
            with self.subTest(path=path):
                self.assert_problem(style.lines, {path: f"# {UNFINISHED}: x\n"}, "unfinished")

    def test_paths_of_one_machine_are_refused(self):
        self.assert_problem(style.lines, {"tools/a.py": f"open('{PATH}/x')\n"}, "one machine")
        self.assert_clean(style.lines, {"tools/a.py": "open('/usr/share/x', '/etc/passwd')\n"})
        self.assert_clean(style.lines, {"tools/a.py": f"url = 'http://a.test{PATH}/'\n"})

    def test_tabs_trailing_space_and_a_missing_newline_are_refused(self):
        self.assert_problem(style.lines, {"lib/net/a.cc": "\tx\n"}, "a tab")
        self.assert_problem(style.lines, {"lib/net/a.cc": "x \n"}, "trailing space")
        self.assert_problem(style.lines, {"lib/net/a.cc": "x\ny"}, "a.cc:2:", "no newline")


class HeadersTest(CheckCase):
    def test_a_header_opens_with_a_comment_then_pragma_once(self):
        self.assert_clean(style.headers, {"lib/net/a.h": HEADER})
        tree = {"lib/net/a.h": "#pragma once\n// A header.\n"}
        self.assert_problem(style.headers, tree, "does not open with a comment")
        tree = {"lib/net/a.h": "// A header.\n#include <string>\n#pragma once\n"}
        self.assert_problem(style.headers, tree, "lib/net/a.h:2:", "#pragma once")
        self.assert_problem(style.headers, {"lib/net/a.h": "// A header.\n"}, "#pragma once")

    def test_using_namespace_is_refused(self):
        tree = {"lib/net/a.h": HEADER + "using namespace std;\n"}
        self.assert_problem(style.headers, tree, "lib/net/a.h:3:", "using namespace")


class SourcesTest(CheckCase):
    def test_every_source_is_listed(self):
        tree = {"lib/net/CMakeLists.txt": "fermo_library(NAME net SRCS a.cc)  # b.cc\n",
                "lib/net/a.cc": "", "lib/net/b.cc": ""}
        self.assert_problem(sources.listed, tree, "lib/net/b.cc:1:", "no CMakeLists.txt lists")

    def test_a_source_may_be_listed_through_a_variable(self):
        listing = "set(d ${CMAKE_SOURCE_DIR}/tests/d)\nx(${d}/a.cc)\n"
        tree = {"tests/unit/smtp/CMakeLists.txt": listing, "tests/d/a.cc": ""}
        self.assert_clean(sources.listed, tree)
        tree["tests/unit/smtp/CMakeLists.txt"] = "x(../../d/a.cc)\n"
        self.assert_clean(sources.listed, tree)

    def test_a_listed_source_exists(self):
        tree = {"lib/net/CMakeLists.txt": "\nx(${CMAKE_CURRENT_SOURCE_DIR}/a.cc)\n"}
        self.assert_problem(sources.listed, tree, "CMakeLists.txt:2:", "lib/net/a.cc")

    def test_a_header_is_included_by_more_than_its_own_source(self):
        own = {"lib/net/a.h": HEADER, "lib/net/a.cc": '#include "lib/net/a.h"\n'}
        self.assert_problem(sources.included, own, "lib/net/a.h:1:", "nothing includes")
        self.assert_clean(sources.included, {**own, "lib/net/b.cc": '#include "lib/net/a.h"\n'})


class TextTest(unittest.TestCase):
    def test_blanking_keeps_offsets_and_lines(self):
        text = 'a = "x{"; // {\nb = R"(\n{)"; /* {\n */ c = \'{\'; d = 1\'000;\n'
        blanked = cpp_text.blank(text)
        self.assertEqual(len(blanked), len(text))
        self.assertEqual(blanked.count("\n"), text.count("\n"))
        self.assertNotIn("{", blanked)
        self.assertIn("d = 1'000;", blanked)


class ProgramTest(unittest.TestCase):
    def test_it_prints_file_line_and_problem_and_exits_1(self):
        tree = {"lib/net/a.h": "#pragma once\n", "lib/net/b.h": HEADER}
        status, output = run_tool("check_style", tree)
        self.assertEqual(status, 1)
        self.assertRegex(output, r"(?m)^lib/net/a\.h:1: the header does not open")
        self.assertIn("3 problem(s) in 2 file(s)", output)

    def test_it_exits_0_on_a_good_tree_and_reads_no_build_folder(self):
        tree = {"docs/a.md": "Good.\n", "build/dev/a.h": "bad\t"}
        self.assertEqual(run_tool("check_style", tree), (0, ""))


if __name__ == "__main__":
    unittest.main()
