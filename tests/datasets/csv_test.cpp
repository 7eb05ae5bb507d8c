// CSV: what is read, how it is split and standardised, and every way in which a table can be wrong.
#include "datasets/csv.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "datasets/sources.h"
#include "tests/check.h"
#include "tests/datasets/files_for_tests.h"

using namespace minima;
using namespace minima::datasets;
using Folder = test::TemporaryFolder;

namespace {

Table parse(const std::string& bytes, const std::string& label = "y") {
  return parse_csv({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, label, "it.csv");
}

/// Rows a,b,kind with kind one of two; a counts up, b is constant.
std::string two_classes(int rows) {
  std::string out = "a,kind,b\n";
  for (int i = 0; i < rows; ++i) out += text(i, i % 2 ? ",odd,7\n" : ",even,7\n");
  return out;
}

}  // namespace

TEST_CASE("a CSV table's numbers, names and classes are read, and classes of text are sorted as text") {
  const Table table = parse("a,y,b\n1,dog,-2.5e1\n+3,cat,4\n.5,dog,0\n");
  CHECK(table.features == std::vector<std::string>{"a", "b"});
  CHECK_CLOSE(table.values, (std::vector<double>{1, -25, 3, 4, 0.5, 0}), {});
  CHECK(table.class_names == std::vector<std::string>{"cat", "dog"});
  CHECK(table.labels == std::vector<int32_t>{1, 0, 1});
}

TEST_CASE("classes that are numbers are sorted as numbers, however they are spelled") {
  const Table table = parse("x,y\n0,10\n0,9\n0,9.0\n0,-1\n");
  CHECK(table.class_names == std::vector<std::string>{"-1", "9", "10"});
  CHECK(table.labels == std::vector<int32_t>{2, 1, 1, 0});
}

TEST_CASE("quotes, CR LF and CR line ends, a byte order mark, blank lines and a missing last newline are understood") {
  const Table expected = parse("a,the y\n1,p\n2,q\n", "the y");
  for (const std::string& bytes :
       {std::string("\"a\",\"the y\"\r\n\"1\",\"p\"\r\n2,q\r\n"), std::string("a,the y\r1,p\r2,q"),
        std::string("\xef\xbb\xbf"
                    "a,the y\n1,p\n\n2,q\n\n"),
        std::string(" a , the y \n 1 ,p\t\n2, q")}) {
    const Table table = parse(bytes, "the y");
    CHECK(table.features == expected.features);
    CHECK_CLOSE(table.values, expected.values, {});
    CHECK(table.class_names == expected.class_names);
  }
  const Table table = parse("x,y\n1,\"a, \"\"b\"\"\nc\"\n2,d\n");
  CHECK(table.class_names == std::vector<std::string>{"a, \"b\"\nc", "d"});
}

TEST_CASE("a CSV table that is wrong is refused with its file, line, column and the text found") {
  struct Case {
    std::string bytes;
    std::vector<std::string> parts;
  };
  const std::vector<Case> cases = {
      {"", {"[it.csv] got an empty file", "a header row"}},
      {"\n\n", {"an empty file"}},
      {"a,y\n", {"a header and no rows", "one sample a row"}},
      {"a,y\n1,p\n2,q,3\n", {"it.csv, line 3", "got 3 fields, expected 2, as in the header"}},
      {"a,y\n1,p\n\n2\n", {"it.csv, line 4", "got 1 fields, expected 2"}},
      {"a,y\n1,p\nabc,q\n", {"it.csv, line 3, column \"a\"", "got \"abc\", expected a number"}},
      {"a,y\n\"1,5\",p\n", {"line 2, column \"a\"", "got \"1,5\"", "write 1.5, not 1,5"}},
      {"a,y\r\n1,p\r\nx,q\r\n", {"it.csv, line 3, column \"a\"", "got \"x\""}},
      {"a,y\n1x,p\n", {"got \"1x\""}},
      {"a,y\nNA,p\n", {"got \"NA\"", "Fill in missing values"}},
      {"a,y\n,p\n", {"line 2, column \"a\"", "got an empty field, expected a number", "missing values"}},
      {"a,y\n1,\n", {"line 2, column \"y\"", "got an empty field, expected a label"}},
      {"a,y\nnan,p\n", {"got \"nan\", expected a finite number"}},
      {"a,y\n-inf,p\n", {"got \"-inf\", expected a finite number"}},
      {"a,y\n1e39,p\n", {"got \"1e39\", expected a finite number within float32's range"}},
      {"a,y\n1e999,p\n", {"got \"1e999\", expected a finite number"}},
      {"a,b\n1,2\n", {"line 1", "no column \"y\"", "one of the columns \"a\", \"b\""}},
      {"a;y\n1;2\n", {"one of the columns \"a;y\"", "commas, not semicolons"}},
      {"a,y,y\n1,2,3\n", {"column \"y\" twice"}},
      {",a,y\n0,1,2\n", {"no name for column 1", "row numbers should be left out"}},
      {"y\np\nq\n", {"no column but the label"}},
      {"a,y\n1,p\n2,p\n", {"it.csv, column \"y\"", "one class only, \"p\", expected at least two"}},
      {"a,y\n1,\"p\n2,q\n", {"line 2", "a quote that is never closed"}},
      {"a,y\n1,\"p\" q\n", {"line 2", "text after the closing quote of \"p\"", "written twice"}},
      {"a,y\n1,\"p\np\"\nx,q\n", {"line 4, column \"a\""}},
      {"a,y\n\x01" + std::string(100, 'z') + ",p\n", {"\"?zzz", "...\""}},
  };
  for (const Case& c : cases) {
    const std::string message = test::error_of([&] { parse(c.bytes); });
    for (const std::string& part : c.parts) {
      CHECK_MESSAGE(test::contains(message, part), "expected \"" << part << "\" in: " << message);
    }
  }
  CHECK_ERROR(parse("a,b\n1,2\n", ""),
              "no name of a label column, expected the label to be one of the columns \"a\", \"b\"");
}

TEST_CASE("a damaged CSV file is read or refused and never crashes") {
  const std::string valid =
      "\xef\xbb\xbf"
      "a,\"y\",b\r\n1.5,\"p \"\"q\"\"\",2\r\n-3e2,r,4\n\n5,r,6\n7,\"p \"\"q\"\"\",8";
  CHECK(test::accepted_damage(valid, 8000, "\",\n\r0.e-", [](const std::string& bytes) {
          const Table table = parse(bytes);
          CHECK(table.values.size() == table.labels.size() * table.features.size());
          for (const double value : table.values) CHECK(std::isfinite(value));
        }) > 0);
}

TEST_CASE("csv splits by class and standardises by the training part, constant columns to 0") {
  Folder folder;
  const std::string path = folder.write("t.csv", two_classes(50));
  const auto [train, test] = csv(path, {.label = "kind"});
  CHECK(train.size() == 40);
  CHECK(test.size() == 10);
  CHECK(train.input_shape() == Shape{2});
  CHECK(train.class_names() == std::vector<std::string>{"even", "odd"});
  const auto values = train.all().x.to_vector<double>();
  double sum = 0, squares = 0;
  for (size_t i = 0; i < values.size(); i += 2) {
    sum += values[i];
    squares += values[i] * values[i];
    CHECK(values[i + 1] == 0);
  }
  CHECK_CLOSE(sum / 40, 0, {.atol = 1e-6});
  CHECK_CLOSE(squares / 40, 1, {.rtol = 1e-5});
  // The test part by the training part's figures: even and odd rows keep their distance of a whole number of steps.
  std::set<double> all;
  for (const auto& part : {train, test}) {
    for (int64_t i = 0; i < part.size(); ++i) all.insert(part.batch({i}).x.at(0));
  }
  REQUIRE(all.size() == 50);
  const double step = *std::next(all.begin()) - *all.begin();
  CHECK_CLOSE(*all.rbegin() - *all.begin(), 49 * step, {.rtol = 1e-5});
  const auto labels = test.labels();
  CHECK(std::count(labels.begin(), labels.end(), 1) == 5);
}

TEST_CASE("large offsets do not spoil standardising: it is done in double") {
  Folder folder;
  std::string table = "a,y\n";
  for (int i = 0; i < 40; ++i) table += text(1000000000 + i, ",", i % 2, "\n");
  const auto train = csv(folder.write("t.csv", table), {.label = "y"}).train.all().x.to_vector<double>();
  CHECK(std::set<double>(train.begin(), train.end()).size() == 32);
}

TEST_CASE("csv's split is a function of the seed") {
  Folder folder;
  const std::string plain = folder.write("t.csv", two_classes(50));
  const CsvOptions one{.label = "kind", .test_fraction = 0.5, .seed = 1},
      two{.label = "kind", .test_fraction = 0.5, .seed = 2};
  CHECK_SAME_BITS(csv(plain, one).test.all().x, csv(plain, one).test.all().x);
  CHECK(csv(plain, one).test.size() == 24 + 2 * (13 - 12));
  CHECK(csv(plain, one).test.all().x.to_vector<double>() != csv(plain, two).test.all().x.to_vector<double>());
}

TEST_CASE("csv refuses a class of one row, a fraction that is none, a far outlier and a file that is not there") {
  Folder folder;
  const std::string path = folder.write("t.csv", two_classes(50) + "50,rare,7\n");
  CHECK_ERROR(csv(path, {.label = "kind"}), "t.csv] got 1 sample of class \"rare\", expected at least 2");
  CHECK_ERROR(csv(path, {.label = "kind", .test_fraction = 1}), "test fraction 1, expected a number between 0 and 1");
  CHECK_ERROR(csv(folder.file("none.csv"), {.label = "kind"}), "none.csv] got No such file or directory");
  // b is 7 or 7.001 in every row but one, which some seed puts into the test part.
  std::string table = "b,kind\n1e30,p\n";
  for (int i = 0; i < 99; ++i) table += text(i % 3 ? "7" : "7.001", i % 2 ? ",p\n" : ",q\n");
  const std::string outlier = folder.write("o.csv", table);
  int refused = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    try {
      const auto [train, test] = csv(outlier, {.label = "kind", .seed = seed});
      for (const auto& part : {train, test})
        for (const double value : part.all().x.to_vector<double>()) CHECK(std::isfinite(value));
    } catch (const Error& error) {
      ++refused;
      CHECK(test::contains(error.what(), "column \"b\"] got the value 1e+30"));
    }
  }
  CHECK(refused > 0);
  CHECK(refused < 30);
}
