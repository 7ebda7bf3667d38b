"""What is refused beside co_await, and what is left alone."""

import unittest

from support import CheckCase

from checks import style


def source(body, first=""):
    return {"lib/net/a.cc": f"{first}awaitable<void> Run(int n) {{\n{body}\n}}\n"}


class LambdaTest(CheckCase):
    def test_a_capturing_lambda_in_the_statement_is_refused(self):
        for body in [
            "  co_await Post([&] { Go(); });",
            "  co_await Post([this, n]() mutable { Go(n); });",
            "  auto r = co_await Post(\n      [=](int x) -> int { return x; });",
            "  if (co_await Post([n] { return n; })) Go();",
            "  Use([n] { return n; }, co_await Get());",
        ]:
            with self.subTest(body=body):
                self.assert_problem(style.awaits, source(body), "captures in a statement")

    def test_a_capturing_lambda_that_is_a_coroutine_is_refused(self):
        body = "  Spawn(ex, [this]() -> awaitable<void> { co_await Go(); });"
        self.assert_problem(style.awaits, source(body), "is a coroutine")
        body = "  auto f = [n]() -> awaitable<int> { co_return n; };"
        self.assert_problem(style.awaits, source(body), "is a coroutine")

    def test_other_brackets_are_no_lambdas(self):
        for body in [
            "  auto [ec, n] = co_await Read(buffer);",
            "  const auto& [ec, n] = co_await Read(buffer);",
            "  co_await Write(lines[i], counts[f(i)][2]);",
            "  [[maybe_unused]] auto x = co_await Read();",
            "  co_await Post([] { Go(); });",
            "  auto f = [n] { return n; };\n  co_await Post(f);",
            "  { auto f = [n] { return n; }; f(); }\n  co_await Post();",
        ]:
            with self.subTest(body=body):
                self.assert_clean(style.awaits, source(body))


class BraceTest(CheckCase):
    def test_a_brace_in_the_statement_is_refused(self):
        for body in [
            "  co_await Send(Frame{1, 2});",
            "  co_await Send({1, 2});",
            "  co_await Send({.a = 1});",
            "  Frame f{co_await Get(), 2};",
            "  auto f = Frame{co_await Get(), 2};",
            "  co_return Frame{co_await Get()};",
            "  co_return std::vector<int>{co_await Get(), 1};",
            "  if ((co_await Send(Frame{})).ok()) Go();",
            "  for (int i : co_await Get({1})) Go(i);",
        ]:
            with self.subTest(body=body):
                self.assert_problem(style.awaits, source(body), "lib/net/a.cc:2:", "named local")

    def test_blocks_around_it_are_none(self):
        for body in [
            "  if (co_await Get()) {\n    Go(Frame{1});\n  }",
            "  while (true) {\n    co_await Get();\n  }",
            "  Frame f{1, 2};\n  co_await Send(std::move(f));",
            "  try {\n    co_await Get();\n  } catch (const E& e) {\n    x = Frame{1};\n  }",
            "  switch (n) {\n    case 1: {\n      co_await Get();\n      break;\n    }\n  }",
            "  for (const Frame& f : frames) {\n    co_await Send(f);\n  }\n  Go({1});",
            "  if (n) Go({1});\n  co_await Get();",
            "  do {\n    n = co_await Get();\n  } while (n > 0);",
            "  Go(Frame{1}); co_await Get(); Go(Frame{2});",
        ]:
            with self.subTest(body=body):
                self.assert_clean(style.awaits, source(body))

    def test_words_in_comments_and_strings_are_none(self):
        body = '  Log("co_await f({1})");  // co_await Send({1})\n  co_await Send("{?}", \'{\');'
        self.assert_clean(style.awaits, source(body))

    def test_a_class_body_and_a_trailing_return_type_open_blocks(self):
        first = "class A {\n  auto B() -> awaitable<int> {\n    co_await C();\n  }\n};\n"
        self.assert_clean(style.awaits, source("  co_await Get();", first))


class TernaryTest(CheckCase):
    def test_it_is_refused_in_the_statement(self):
        body = "  auto x = n ? co_await Get() : Frame();"
        self.assert_problem(style.awaits, source(body), "lib/net/a.cc:2:", "?:")

    def test_it_is_fine_before_the_statement(self):
        body = "  int x = n ? 1 : 2;\n  if (n ? a : b) co_await Get(x);"
        self.assert_clean(style.awaits, source(body))


if __name__ == "__main__":
    unittest.main()
