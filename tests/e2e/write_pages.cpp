// a directory → pages in it that are hard to lay out, to be photographed.
#include <cstdio>
#include <filesystem>

#include "report/examples.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const std::filesystem::path out = arguments[1];
  const auto few = soma::test::table_run(3), many = soma::test::table_run(40);
  const soma::Result<void> results[] = {
      soma::write_run_page(few.facts(), out / "table.html"), soma::write_run_page(many.facts(), out / "many.html"),
      soma::write_lab_page(soma::test::example_findings(), out / "lab.html"), soma::write_lab_page({}, out / "empty.html")};
  for (const auto& result : results)
    if (!result) return std::fprintf(stderr, "%s\n", result.error().message.c_str()), 1;
  return 0;
}
