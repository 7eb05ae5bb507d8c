#include "examples/kit/json.h"

#include <nlohmann/json.hpp>

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::examples;
using namespace minima::test;

TEST_CASE("a number is written as the shortest decimal that reads back as the same bits") {
  for (double value : {0.1, 1.0 / 3, 1e-300, 123456789.125, -2.5, 0.05, 1e22, 5e-324})
    CHECK(std::strtod(number_text(value).c_str(), nullptr) == value);
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(20) == "20");
  CHECK(number_text(NAN) == "nan");
  CHECK(number_text(-INFINITY) == "-inf");
}

TEST_CASE("a CSV field with a comma, a quote or a line break is quoted") {
  CHECK(csv_line({{"a", "plain"}, {"b", "x,y"}, {"c", "say \"no\""}, {"d", int64_t{3}}}) ==
        "plain,\"x,y\",\"say \"\"no\"\"\",3");
}

TEST_CASE("a row as JSON keeps strings, and numbers that are not finite become null") {
  const auto json = nlohmann::json::parse(json_text(
      json_of({{"name", "a \"b\" \\ \n\t\x01"}, {"loss", NAN}, {"x", 0.25}, {"n", int64_t{-7}}, {"i", INFINITY}})));
  CHECK(json.at("name") == "a \"b\" \\ \n\t\x01");
  CHECK(json.at("loss").is_null());
  CHECK(json.at("i").is_null());
  CHECK(json.at("x") == 0.25);
  CHECK(json.at("n") == -7);
}

TEST_CASE("a name that is no UTF-8 makes JSON that can be read all the same") {
  CHECK(nlohmann::json::parse(json_text(json_of({{"data", "caf\xe9.csv"}}))).at("data") == "caf\xef\xbf\xbd.csv");
}

TEST_CASE("a row is on disk as soon as it is written") {
  TemporaryFolder folder;
  MetricsWriter metrics(folder.file("deep/down"));
  metrics.write({{"step", int64_t{1}}, {"loss", 0.5}});
  metrics.write({{"step", int64_t{2}}, {"loss", 0.25}});
  CHECK(read_bytes(folder.file("deep/down/metrics.csv")) == "step,loss\n1,0.5\n2,0.25\n");
  CHECK(read_bytes(folder.file("deep/down/metrics.jsonl")) ==
        "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":0.25}\n");
}

TEST_CASE("a row with other columns than the first is refused") {
  TemporaryFolder folder;
  MetricsWriter metrics(folder.file("out"));
  metrics.write({{"step", int64_t{1}}});
  CHECK_ERROR(metrics.write({{"epoch", int64_t{1}}}), "a row with columns epoch, expected the columns step");
}

TEST_CASE("an output directory that cannot be written is refused with the system's reason") {
  TemporaryFolder folder;
  folder.write("file", "not a directory");
  CHECK_ERROR(make_output_directory(folder.file("file/out")), "a directory that can be written");
  CHECK_ERROR(make_output_directory("/proc/out"), "--out /proc/out");
}

TEST_CASE("a file that is read is not written, whatever its name, and a file without a name is none") {
  TemporaryFolder folder;
  const std::string data = folder.write("t.csv", "a"), link = folder.file("link.csv");
  std::filesystem::create_symlink(data, link);
  CHECK_ERROR(check_writable("--save", data, {"digits", data}), "t.csv] got a file that is read as well");
  CHECK_ERROR(check_writable("--save", link, {data}), "got a file that is read as well");
  check_writable("--save", folder.file("new"), {data, "", "digits"});
  CHECK_ERROR(check_writable("--save", ""), "[--save] got no name, expected a file to write");
  CHECK_ERROR(make_output_directory(""), "[--out] got no name");
  const std::string metrics = folder.write("out/metrics.csv", "a");
  CHECK_ERROR(make_output_directory(folder.file("out"), {metrics}), "in which results would replace");
}

TEST_CASE("of a folder of results, what an interrupted write left goes, and what a user named alike stays") {
  TemporaryFolder folder;
  folder.write("out/report.html.123-0.part", "");
  for (const char* own : {"out/report.2024.part", "out/a.1-2-3.part", "out/.1-2.parts"}) folder.write(own, "");
  make_output_directory(folder.file("out"));
  CHECK_FALSE(std::filesystem::exists(folder.file("out/report.html.123-0.part")));
  for (const char* own : {"out/report.2024.part", "out/a.1-2-3.part", "out/.1-2.parts"})
    CHECK_MESSAGE(std::filesystem::exists(folder.file(own)), own);
}
