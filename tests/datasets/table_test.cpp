// Tables: what columns of text, dates, numbers and missing values become, which rows test, and what is refused.
#include "datasets/table.h"

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

/// Rows a,kind,b with kind one of two; a counts up, b is constant.
std::string two_classes(int rows) {
  std::string out = "a,kind,b\n";
  for (int i = 0; i < rows; ++i) out += text(3 * i + 5, i % 2 ? ",odd,7\n" : ",even,7\n");
  return out;
}

Loaded loaded(const std::string& bytes, LoadOptions options = {.label = "y"}) {
  Folder folder;
  return load_table(folder.write("t.csv", bytes), options);
}

/// What a column became, in words.
std::string becomes(const Loaded& table, const std::string& column) {
  for (const Words& row : table.table->report())
    if (row[0] == column) return row[3];
  return "no such column";
}

/// The values of one feature over all samples, training ones first.
std::vector<double> feature(const Loaded& table, const std::string& name) {
  const Words names = table.table->feature_names();
  const auto at = std::find(names.begin(), names.end(), name) - names.begin();
  REQUIRE(at < std::ssize(names));
  std::vector<double> out;
  for (const Dataset& part : {table.split.train, table.split.test})
    for (int64_t i = 0; i < part.size(); ++i) out.push_back(part.batch({i}).x.at(at));
  return out;
}

/// 40 rows x,y with y p or q in turn and x what `cell` gives.
std::string rows(const std::function<std::string(int)>& cell, int count = 40) {
  std::string out = "x,z,y\n";
  for (int i = 0; i < count; ++i) out += cell(i) + "," + std::to_string((i * 7) % 11) + (i % 2 ? ",p\n" : ",q\n");
  return out;
}

}  // namespace

// ---- columns

TEST_CASE("columns of numbers are standardised by the training part, constant ones left out") {
  const Loaded table = loaded(two_classes(50), {.label = "kind"});
  CHECK(table.split.train.size() == 40);
  CHECK(table.split.test.size() == 10);
  CHECK(table.split.train.input_shape() == Shape{1});
  CHECK(table.split.train.class_names() == std::vector<std::string>{"even", "odd"});
  CHECK(becomes(table, "b") == "left out: one value only");
  const std::vector<double> values = feature(table, "a");
  double sum = 0, squares = 0;
  for (size_t i = 0; i < 40; ++i) sum += values[i], squares += values[i] * values[i];
  CHECK_CLOSE(sum / 40, 0, {.atol = 1e-6});
  CHECK_CLOSE(squares / 40, 1, {.rtol = 1e-5});
  // The test part by the training part's figures: all values keep their distance of a whole number of steps.
  const std::set<double> all(values.begin(), values.end());
  REQUIRE(all.size() == 50);
  CHECK_CLOSE(*all.rbegin() - *all.begin(), 49 * (*std::next(all.begin()) - *all.begin()), {.rtol = 1e-4});
  const auto labels = table.split.test.labels();
  CHECK(std::count(labels.begin(), labels.end(), 1) == 5);
}

TEST_CASE("large offsets do not spoil standardising, which is done in double") {
  const Loaded table = loaded(rows([](int i) { return std::to_string(1000000000 + 3 * i); }));
  const std::vector<double> values = feature(table, "x");
  CHECK(std::set<double>(values.begin(), values.end()).size() == 40);
}

TEST_CASE("columns without use are left out and named with the reason") {
  CHECK(test::contains(becomes(loaded(rows([](int i) { return i % 2 ? "0.30000001" : "0.3"; })), "x"), "rounding"));
  CHECK(test::contains(becomes(loaded(rows([](int i) { return std::to_string(i + 1); })), "x"), "it counts the rows"));
  CHECK(becomes(loaded(rows([](int i) { return std::to_string(i + 1947); })), "x") == "standardised");
  CHECK(test::contains(becomes(loaded(rows([](int i) { return text("name", i); })), "x"), "identifier"));
  CHECK(test::contains(becomes(loaded(rows([](int i) { return text("this is the long text of ", i); })), "x"),
                       "free text"));
  CHECK(test::contains(becomes(loaded(rows([](int) { return ""; })), "x"), "no value in any row"));
  CHECK(test::contains(becomes(loaded(rows([](int i) { return std::to_string((i * 7) % 11); })), "z"),
                       "the same as \"x\""));
  CHECK(test::contains(becomes(loaded("r1,z,y\n" + rows([](int i) { return text("r", i); }).substr(6)), "r1"),
                       "identifier"));
  CHECK(becomes(loaded(rows([](int i) { return std::to_string(i); }).substr(1)), "(no name)") ==
        "left out: it has no name: row names or numbers");
  std::string ids = "user_id,z,y\n";
  for (int i = 0; i < 40; ++i) ids += text(1000 + (i * 37) % 101, ",", i % 5, i % 2 ? ",p\n" : ",q\n");
  CHECK(test::contains(becomes(loaded(ids), "user_id"), "identifier"));
  CHECK(test::contains(becomes(loaded("Unnamed: 0" + ids.substr(7)), "Unnamed: 0"), "identifier"));
  CHECK(becomes(loaded(rows([](int i) { return std::to_string(i % 3); }), {.label = "y", .drop = {"x"}}), "x") ==
        "left out: asked for");
}

TEST_CASE("text is a category: one feature a value, those of many in others together") {
  const Loaded few = loaded(rows([](int i) { return std::string(i % 4 == 0 ? "red" : "blue"); }));
  CHECK(few.table->feature_names() == Words{"x = blue", "x = red", "z"});
  const std::vector<double> red = feature(few, "x = red"), blue = feature(few, "x = blue");
  CHECK(std::count(red.begin(), red.end(), 1) == 10);
  for (size_t i = 0; i < 40; ++i) CHECK(red[i] + blue[i] == 1);

  const Loaded many = loaded(rows([](int i) { return text("v", i < 300 ? i % 5 : i % 90); }, 600));
  const Words names = many.table->feature_names();
  CHECK(std::count_if(names.begin(), names.end(), [](const std::string& n) { return n.starts_with("x = "); }) == 20);
  const std::vector<double> others = feature(many, "x is another");
  CHECK(std::count(others.begin(), others.end(), 1) > 150);
}

TEST_CASE("missing numbers are the training median with an indicator, missing categories one of their own") {
  const Loaded table = loaded(rows([](int i) { return i % 10 == 3 ? "NA" : std::to_string(i % 7 * 1.5); }));
  const std::vector<double> x = feature(table, "x"), missing = feature(table, "x is missing");
  CHECK(std::count(missing.begin(), missing.end(), 1) == 4);
  std::set<double> where_missing;
  for (size_t i = 0; i < 40; ++i)
    if (missing[i] == 1) where_missing.insert(x[i]);
  CHECK(where_missing.size() == 1);
  CHECK(std::abs(*where_missing.begin()) < 0.5);  // near the middle of what is standardised
  for (const char* word : {"", "nan", "NaN", "?", "null", "n/a"}) {
    const Loaded text_table = loaded(rows([&](int i) { return std::string(i % 8 == 0 ? word : i % 3 ? "a" : "b"); }));
    const std::vector<double> none = feature(text_table, "x is missing");
    CHECK(std::count(none.begin(), none.end(), 1) == 5);
  }
}

TEST_CASE("of one value and gaps, the gaps are the feature, for numbers, dates and text, and in new rows as well") {
  for (const std::string value : {"1", "2020-03-04", "x"}) {
    const Loaded table = loaded(rows([&](int i) { return i % 4 == 0 ? "" : value; }));
    const std::vector<double> missing = feature(table, "x is missing");
    CHECK(std::count(missing.begin(), missing.end(), 1) == 10);
    const Words names = table.table->feature_names();
    CHECK(names == (value == "x" ? Words{"x = x", "x is missing", "z"} : Words{"x is missing", "z"}));
    if (value != "x") CHECK(becomes(table, "x") == "an indicator where missing");

    const Preparation read = Preparation::from_saved(table.table->saved(), "model");
    CHECK(read.feature_names() == names);
    Folder folder;
    Words notes;
    const TextTable other = read_table(folder.write("new.csv", "x,z\n" + value + ",3\n,3\n"));
    const std::vector<float> got = read.features(other, notes);
    CHECK(got == table.table->features(other, notes));
    const size_t at = names.size() - 2;
    CHECK(got[at] == 0);
    CHECK(got[names.size() + at] == 1);
    CHECK(notes.empty());
  }
  const Loaded table = loaded(rows([](int i) { return i % 4 == 0 ? "" : "1"; }));
  Folder folder;
  Words notes;  // as pandas writes numbers of a column with gaps
  const TextTable other = read_table(folder.write("new.csv", "x,z\n1.0,3\n,3\n"));
  const std::vector<float> got = table.table->features(other, notes);
  CHECK(got[0] == 0);
  CHECK(got[2] == 1);
  CHECK(becomes(loaded(rows([](int i) { return i % 4 == 0 ? ""
                                               : i % 2    ? "0.30000001"
                                                          : "0.3"; })), "x") ==
        "an indicator where missing");
}

TEST_CASE("a few cells that are no number are taken as missing, and named") {
  const Loaded table = loaded(rows([](int i) { return i == 17 ? "about 3" : std::to_string(i % 7); }));
  CHECK(test::contains(joined(table.notes),
                       "Column \"x\": 1 cell is no number and taken as missing, line 19: \"about 3\""));
}

TEST_CASE("missing numbers are understood in their usual spellings, and in one of the table's own, which is named") {
  for (const char* word : {"#N/A", "-", "--", ".", "n.a.", "<NA>", "None", "NaT", "\\N", "unknown"}) {
    const Loaded table = loaded(rows([&](int i) { return i % 4 == 0 ? word : std::to_string(i % 7 * 1.5); }));
    CHECK_MESSAGE(feature(table, "x is missing").size() == 40, word);
    CHECK_FALSE(test::contains(joined(table.notes), "taken as missing"));
  }
  const Loaded own = loaded(rows([&](int i) { return i % 4 == 0 ? "not measured" : std::to_string(i % 7 * 1.5); }));
  CHECK(feature(own, "x is missing").size() == 40);
  CHECK(test::contains(joined(own.notes), "10 cells are no number and taken as missing, line 2: \"not measured\""));
  // Several texts are no such mark, and a dash among texts is a value.
  const Loaded texts = loaded(rows([&](int i) { return i % 4 == 0 ? text("t", i % 8) : std::to_string(i % 3); }));
  CHECK(test::contains(becomes(texts, "x"), "one-hot"));
  const Loaded dashes = loaded(rows([&](int i) { return std::string(i % 4 == 0 ? "-" : i % 3 ? "a" : "b"); }));
  CHECK(dashes.table->feature_names() == Words{"x = a", "x = -", "x = b", "z"});
}

TEST_CASE("where a column does not tell decimals from thousands, the others of its file do, else it is said") {
  const auto table = [](const char* thousand, const char* small, char separator) {
    std::string out = text("sales", separator, "share", separator, "y\n");
    for (int i = 0; i < 40; ++i) {
      std::string sales = text(1 + i % 9, thousand, 100 + i), share = text("0", small, 10 + i * 7 % 31);
      out += text(i % 5 ? sales : "971", separator, *small ? share : "3", separator, i % 2 ? "p" : "q", "\n");
    }
    Folder folder;
    return load_table(folder.write("t.txt", out), {.label = "y"});
  };
  for (const Loaded& told : {table(",", ".", '\t'), table(".", ",", ';')}) {
    CHECK(told.table->columns[0].holds == "numbers, 971 to 9126");
    CHECK_FALSE(test::contains(joined(told.notes), "is read as"));
  }
  CHECK(test::contains(joined(table(",", "", ';').notes),
                       "Column \"sales\": 2,101 is read as 2.101, and the file does not tell whether that is meant."));
}

TEST_CASE("prices with the euro of Windows-1252 are numbers") {
  std::string bytes = "x;z;y\n";
  for (int i = 0; i < 40; ++i) bytes += text(10 + i % 7, ",50 \x80;", i % 5, i % 2 ? ";p\n" : ";q\n");
  const Loaded table = loaded(bytes);
  CHECK(table.table->columns[0].holds == "numbers, 10.5 to 16.5");
  CHECK(test::contains(joined(table.notes), "is not UTF-8; it was read as Windows-1252."));
}

TEST_CASE("a quantity to predict that can be meant in two ways is said, too") {
  std::string bytes = "rooms;price\n";
  for (int i = 0; i < 40; ++i) bytes += text(i % 7, i % 5 ? text(";", 1 + i % 3, ".", 200 + i, "\n") : ";900\n");
  const LoadOptions options{.label = "price", .task = "regression"};
  const std::string said = "Column \"price\": 2.201 is read as 2.201, and the file does not tell";
  CHECK(test::contains(joined(loaded(bytes, options).notes), said));
  CHECK_FALSE(test::contains(joined(loaded(bytes + "1;1.234,5\n", options).notes), "is read as"));
}

TEST_CASE(
    "new rows between commas have decimal points where nothing tells, which is said if the model's table had not") {
  Folder folder;
  std::string bytes = "x;z;y\n";
  for (int i = 0; i < 40; ++i) bytes += text(i % 7, ",25;", i % 5, i % 2 ? ";p\n" : ";q\n");
  const Loaded table = loaded(bytes);
  const auto read = [&](const std::string& rows, Words& notes) {
    return table.table->features(read_table(folder.write("new.csv", rows)), notes);
  };
  Words told, points, quoted, same;
  const float expected = read("x;z\n1,234;3\n2,5;3\n", told)[0];
  CHECK(read("x,z\n1.234,3\n", points)[0] == expected);
  CHECK(test::contains(joined(points), "Column \"x\": 1.234 is read as 1.234, and the file does not tell"));
  CHECK(read("x,z\n\"1,234\",3\n", quoted)[0] == expected);
  CHECK(read("x;z\n1,234;3\n", same)[0] == expected);
  for (const Words& notes : {told, quoted, same}) CHECK_FALSE(test::contains(joined(notes), "is read as"));
  // The table of this model had no marks in this column, so that it does not tell either.
  Words neither;
  read("x;z\n2,5;1.250\n", neither);
  CHECK_FALSE(test::contains(joined(neither), "is read as"));  // the other column does
  read("x;z\n2;1.250\n", neither);
  CHECK(test::contains(joined(neither), "Column \"z\": 1.250 is read as 1.25"));
}

TEST_CASE("a new label that can be meant in two ways is said where neither its file nor the model tells") {
  std::string bytes = "x,y\n";
  for (int i = 0; i < 40; ++i) bytes += text(i % 7, ",", 900 + i, "\n");
  const Loaded table = loaded(bytes, {.label = "y", .task = "regression"});
  Folder folder;
  Words notes;
  table.table->features(read_table(folder.write("new.csv", "x;y\n1;1.250\n")), notes);
  CHECK(test::contains(joined(notes), "Column \"y\": 1.250 is read as 1.25"));
}

TEST_CASE("new rows are read as the training file was written where they do not tell") {
  Folder folder;
  std::string bytes = "when;sales;share;y\n";
  for (int i = 0; i < 40; ++i)
    bytes += text(i % 28 + 1, "/0", i % 9 + 1, "/2020;", 1 + i % 9, ".", 100 + i, ";0,", 10 + i * 7 % 31,
                  i % 2 ? ";p\n" : ";q\n");
  const Loaded table = loaded(bytes);
  const Preparation read = Preparation::from_saved(table.table->saved(), "model");
  // The same row, alone in a file that tells nothing; and in one that is written in another way.
  Words notes;
  const TextTable all = read_table(folder.write("all.csv", bytes));
  const std::vector<float> expected = read.features(all, notes);
  const size_t width = read.feature_names().size();
  const TextTable one = read_table(folder.write("one.csv", "when;sales;share\n1/01/2020;1.100;\n"));
  const std::vector<float> got = read.features(one, notes);
  CHECK(std::vector<float>(got.begin(), got.begin() + 2) == std::vector<float>(expected.begin(), expected.begin() + 2));
  const TextTable second = read_table(folder.write("two.csv", "when;sales;share\n2/02/2020;2.101;0,17\n"));
  CHECK(read.features(second, notes)[0] == expected[width]);
  CHECK(read.features(second, notes)[1] == expected[width + 1]);
  const TextTable other = read_table(folder.write("us.csv", "when,sales,share\n02/13/2020,\"2,101\",0.17\n"));
  CHECK(read.features(other, notes)[1] == expected[width + 1]);
  auto older = table.table->saved();  // of a version that did not keep this
  for (const char* name : {"columns.0.written", "columns.1.written", "columns.2.written"})
    CHECK(older.erase(name) == 1);
  CHECK(Preparation::from_saved(older, "model").columns.size() == 3);
  older["columns.0.written"] = "sideways";
  CHECK_ERROR(Preparation::from_saved(older, "model"), "[model] got \"sideways\" as \"columns.0.written\"");
}

TEST_CASE("the decimal mark of a label that is a quantity is kept with the model") {
  Folder folder;
  std::string bytes = "a;price\n";
  for (int i = 0; i < 40; ++i) bytes += text(i * 7 % 13, ";", 13 + i, ".000,5", i % 10, "\n");
  const Loaded table = loaded(bytes, {.label = "price", .task = "regression"});
  const Preparation read = Preparation::from_saved(table.table->saved(), "model");
  const TextTable one = read_table(folder.write("one.csv", "a;price\n1;25.000\n2;26.000\n"));
  const std::vector<double> labels = labels_of(one, read);
  CHECK(labels[0] * read.target_deviation + read.target_mean == doctest::Approx(25000));
}

TEST_CASE("values that no training row has are said where no feature stands for them") {
  const Loaded table = loaded(rows([](int i) { return std::string(i % 3 ? "a" : "b"); }));
  Folder folder;
  Words notes;
  const TextTable other = read_table(folder.write("new.csv", "x,z\na,1\nc,2\nd,3\n"));
  table.table->features(other, notes);
  CHECK(test::contains(joined(notes),
                       "Column \"x\": 2 values are in no training row and taken as none of those that "
                       "are, line 3: \"c\"."));
}

TEST_CASE("dates become days, and their place in the year where they span more than one") {
  const Loaded year = loaded(rows([](int i) { return text("2020-03-", i % 28 + 1 < 10 ? "0" : "", i % 28 + 1); }));
  CHECK(year.table->feature_names()[0] == "x");
  CHECK(year.table->feature_names()[1] == "z");
  const Loaded more = loaded(rows([](int i) { return text(1 + i % 12, "/15/", 2000 + i); }));
  CHECK(more.table->feature_names()[1] == "x (sine of the year)");
  for (const double value : feature(more, "x (cosine of the year)")) CHECK(std::abs(value) <= 1);
}

TEST_CASE("values far from the training rows are cut, and said") {
  const Loaded table = loaded(rows([](int i) { return i == 5 ? "1e30" : std::to_string(i % 7); }, 400));
  for (const double value : feature(table, "x")) CHECK(std::abs(value) <= 10);
  CHECK(test::contains(joined(table.notes), "cut to that"));
}

TEST_CASE("nothing about columns is learnt from the test part") {
  Folder folder;
  const std::string train = folder.write("train.csv", rows([](int i) { return std::to_string(i % 7); }));
  const auto with = [&](const std::string& cell) {
    return load_table(train, {.label = "y", .test = folder.write("test.csv", "y,x,z\np," + cell + ",3\nq,2,4\n")});
  };
  const Loaded plain = with("3"), wild = with("1e20"), odd = with("what");
  CHECK_SAME_BITS(plain.split.train.all().x, wild.split.train.all().x);
  CHECK_SAME_BITS(plain.split.train.all().x, odd.split.train.all().x);
  CHECK(plain.split.test.size() == 2);
  CHECK(plain.table->saved() == wild.table->saved());
  CHECK(test::contains(joined(odd.notes), "test.csv, line 2: \"what\""));
}

TEST_CASE("each file's numbers are read as that file writes them, and text among them changes nothing") {
  Folder folder;
  const std::string train = folder.write("train.csv", rows([](int i) { return text(i % 7, ".25"); }));
  const auto with = [&](const std::string& bytes) {
    return load_table(train, {.label = "y", .test = folder.write("test.csv", bytes)});
  };
  const Loaded points = with("x,z,y\n3.25,3,p\n1.25,4,q\n"), commas = with("x;z;y\n3,25;3;p\n1,25;4;q\n");
  CHECK_SAME_BITS(points.split.train.all().x, commas.split.train.all().x);
  CHECK_SAME_BITS(points.split.test.all().x, commas.split.test.all().x);
  const Loaded words = with("x,z,y\n\"see 3,5 or 1.5\",3,p\n1.25,4,q\n");
  CHECK_SAME_BITS(points.split.train.all().x, words.split.train.all().x);
  Words notes;
  const TextTable other = read_table(folder.write("new.csv", "z;x\n3;3,25\n4;1,25\n"));
  const std::vector<double> expected = points.split.test.all().x.to_vector<double>();
  const std::vector<float> got = points.table->features(other, notes);
  CHECK_CLOSE(std::vector<double>(got.begin(), got.end()), expected, {.rtol = 0, .atol = 0});
}

TEST_CASE("labels of a new table are numbered as the training labels, unknown and missing ones apart") {
  Folder folder;
  std::string bytes = "x,y\n";
  for (int i = 0; i < 40; ++i) bytes += text((i * 7) % 13, ",", i % 2 ? "10" : "9", "\n");
  const Loaded table = loaded(bytes);
  const TextTable other = read_table(folder.write("new.csv", "y;x\n9,0;1\n10;2\n11;3\n;4\nnine;5\n"));
  CHECK(labels_of(other, *table.table) == std::vector<double>{0, 1, -1, -1, -1});
}

TEST_CASE("a column that alone predicts the label is named") {
  const Loaded leaking = loaded(rows([](int i) { return std::to_string(i % 2 ? 10 + i : -i); }, 100));
  CHECK(test::contains(joined(leaking.notes), "Column \"x\" alone predicts the label"));
  CHECK(test::contains(joined(loaded(rows([](int i) { return std::string(i % 2 ? "one" : "two"); }, 100)).notes),
                       "alone predicts"));
  const Loaded sound = loaded(rows([](int i) { return std::to_string((i * 13) % 29); }, 100));
  CHECK_FALSE(test::contains(joined(sound.notes), "predict"));
}

TEST_CASE("a preparation that was saved and read again is the same, and one that is damaged is refused") {
  const std::string bytes = rows([](int i) { return i % 9 == 0 ? "" : text("it's, \"", i % 4, "\""); });
  Folder folder;
  std::string quoted = "x,z,d,y\n";
  for (int i = 0; i < 40; ++i)
    quoted += text(i % 9 == 0 ? "" : text("\"it's, ", i % 4, "\""), ",", i % 10 ? std::to_string(i / 3.0) : "NA", ",",
                   1990 + i, "-05-06,", i % 2, "\n");
  const std::string path = folder.write("t.csv", quoted);
  const Loaded table = load_table(path, {.label = "y"});
  const Preparation read = Preparation::from_saved(table.table->saved(), "model");
  CHECK(read.saved() == table.table->saved());
  Words notes;
  const TextTable cells = read_table(path);
  CHECK(read.features(cells, notes) == table.table->features(cells, notes));
  CHECK(labels_of(cells, read)[1] == 1);
  auto damaged = table.table->saved();
  damaged["columns.1.mean"] = "much";
  CHECK_ERROR(Preparation::from_saved(damaged, "model"), "[model] got \"much\" as \"columns.1.mean\"");
  damaged.erase("columns.1.mean");
  CHECK_ERROR(Preparation::from_saved(damaged, "model"), "no entry \"columns.1.mean\"");
  auto unlabelled = table.table->saved();
  unlabelled["label"] = "";
  CHECK_ERROR(Preparation::from_saved(unlabelled, "model"), "[model] got no name of the label");
}

TEST_CASE("columns of one name are told apart, whatever other names there are") {
  Folder folder;
  CHECK(read_table(folder.write("t.csv", "a,a,a (2),a\n1,2,3,4\n")).names == Words{"a", "a (3)", "a (2)", "a (4)"});
}

// ---- labels

TEST_CASE("classes that are numbers are sorted as numbers, however they are spelled") {
  std::string bytes = "x,y\n";
  for (int i = 0; i < 40; ++i)
    bytes += text((i * 7) % 13, ",", std::vector<const char*>{"10", "9", "9.0", "-1"}[i % 4], "\n");
  const Dataset train = loaded(bytes).split.train;
  CHECK(train.class_names() == std::vector<std::string>{"-1", "9", "10"});
  const auto labels = train.labels();
  CHECK(std::count(labels.begin(), labels.end(), 1) == 16);
}

TEST_CASE("missing labels are refused with their lines, never a class of their own") {
  for (const char* none : {"", "NA", "nan", "?"}) {
    const std::string bytes = text("x,y\n1,p\n2,", none, "\n3,q\n4,", none, "\n");
    CHECK_ERROR(loaded(bytes), "t.csv, label \"y\"] got none in line 3, line 5, expected one in every row");
  }
}

TEST_CASE("all that is wrong with a table is in one message") {
  const std::string message = test::error_of([] { loaded("x,y\n1,p\n2\n3,\n4,q,r\n5,\"p\n"); });
  for (const char* part : {"4 problems", "line 3] got 1 fields", "line 5] got 3 fields", "line 6] got a quote",
                           "label \"y\"] got none in line 4"})
    CHECK_MESSAGE(test::contains(message, part), message);
}

TEST_CASE("a label of many numbers or very many texts asks for the task") {
  const auto many = [](int i) { return text(i % 2, ",", i * 1.25, "\n"); };
  std::string bytes = "x,y\n";
  for (int i = 0; i < 60; ++i) bytes += many(i);
  CHECK_ERROR(loaded(bytes), "label \"y\"] got 60 different numbers, 0 to 73.75");
  CHECK_ERROR(loaded(bytes), "--task regression");
  const Loaded table = loaded(bytes, {.label = "y", .task = "regression"});
  CHECK(table.split.train.has_targets());
  CHECK(table.split.train.classes() == 0);
  CHECK(table.split.train.size() == 48);
  CHECK(table.split.train.all().y.dtype() == DType::float32);
  double sum = 0, squares = 0;
  for (const double target : table.split.train.targets()) sum += target, squares += target * target;
  CHECK_CLOSE(sum / 48, 0, {.atol = 1e-6});
  CHECK_CLOSE(squares / 48, 1, {.rtol = 1e-5});
  std::string texts = "x,y\n";
  for (int i = 0; i < 60; ++i) texts += text(i % 7, ",word", i / 2, "\n");
  CHECK(loaded(texts).split.train.classes() == 30);
  texts = "x,y\n";
  for (int i = 0; i < 60; ++i) texts += text(i % 7, ",word", i, "\n");
  CHECK_ERROR(loaded(texts), "60 different texts in 60 rows");
  CHECK_ERROR(loaded(texts, {.label = "y", .task = "regression"}), "text in line 2 \"word0\"");
  CHECK_ERROR(loaded(bytes, {.label = "y", .task = "guess"}), "[--task] got guess");
  std::string late = "x,y,day\n";
  for (int i = 0; i < 60; ++i) late += text(i % 7, ",", std::min(i, 40) * 1.25, ",", i, "\n");
  CHECK_ERROR(loaded(late, {.label = "y", .task = "regression", .time = "day"}),
              "got the same number in all 12 test rows");
}

TEST_CASE("a label that is not there is refused with the columns that are") {
  CHECK_ERROR(loaded("a,b\n1,2\n"),
              "t.csv] got no column \"y\" for the label (--label), expected one of the columns \"a\", \"b\"");
  CHECK_ERROR(loaded("a,b\n1,2\n", {}), "got no name for the label (--label), expected one of the columns");
  CHECK_ERROR(loaded("a,y,y\n1,2,3\n"), "column \"y\" twice");
  CHECK_ERROR(loaded("y\np\nq\np\nq\n"), "no column that can be learnt from");
  CHECK_ERROR(loaded("a,y\n1,p\n2,p\n"), "one class only, \"p\", expected at least two");
}

TEST_CASE("all columns that are asked for and not there are in one message, and the label is for nothing else") {
  const std::string bytes = "a,b,y\n1,2,p\n2,3,q\n";
  const std::string message =
      test::error_of([&] { loaded(bytes, {.label = "y", .group = "nn", .drop = {"zz", "qq"}}); });
  for (const char* part : {"3 problems", "\"zz\" for --drop", "\"qq\" for --drop", "\"nn\" for --group"})
    CHECK_MESSAGE(test::contains(message, part), message);
  CHECK_ERROR(loaded(bytes, {.label = "y", .drop = {"y"}}), "[--drop] got the label, \"y\"");
  CHECK_ERROR(loaded(bytes, {.label = "y", .group = "y"}), "[--group] got the label, \"y\"");
  CHECK_ERROR(loaded(bytes, {.label = "y", .image_size = 8}), "[--image-size] got 8 for a table");
}

TEST_CASE("what is wrong with a file of test rows is said of that file") {
  Folder folder;
  const std::string train = folder.write("train.csv", "a,y\n1,p\n2\n");
  const std::string message = test::error_of(
      [&] { load_table(train, {.label = "y", .test = folder.write("test.csv", "a,y\n1,p\n1,p\n3,4,5\n")}); });
  for (const char* part : {"2 problems", "train.csv, line 3] got 1 fields", "test.csv, line 4] got 3 fields"})
    CHECK_MESSAGE(test::contains(message, part), message);
}

TEST_CASE("one row alone is no test part") {
  Folder folder;
  const LoadOptions options{.label = "kind", .test = folder.write("test.csv", "a,kind,b\n1,odd,7\n")};
  CHECK_ERROR(load_all(folder.write("t.csv", two_classes(50)), options), "got 1 test row, expected at least two");
}

// ---- splits

TEST_CASE("the random split is a function of the seed, and a class of one row trains") {
  const LoadOptions one{.label = "kind", .test_fraction = 0.5, .seed = 1},
      two{.label = "kind", .test_fraction = 0.5, .seed = 2};
  const std::string plain = two_classes(50);
  CHECK_SAME_BITS(loaded(plain, one).split.test.all().x, loaded(plain, one).split.test.all().x);
  CHECK(loaded(plain, one).split.test.all().x.to_vector<double>() !=
        loaded(plain, two).split.test.all().x.to_vector<double>());
  const Loaded rare = loaded(plain + "50,rare,7\n", {.label = "kind"});
  CHECK(rare.split.train.size() == 41);
  CHECK(test::contains(joined(rare.notes), "No test sample is of class \"rare\""));
}

TEST_CASE("rows of a group stay together, and the column of groups is no feature") {
  std::string bytes = "g,x,y\n";
  for (int i = 0; i < 100; ++i) bytes += text("g", i / 5, ",", (i * 7) % 31, i % 2 ? ",p\n" : ",q\n");
  for (uint64_t seed = 1; seed < 6; ++seed) {
    const Loaded table = loaded(bytes, {.label = "y", .group = "g", .seed = seed});
    CHECK(table.split.test.size() == 20);
    CHECK(table.split.test.size() % 5 == 0);
    CHECK(test::contains(becomes(table, "g"), "stays together"));
  }
  // x tells the group here, so that no value is in both parts.
  std::string telling = "g,x,y\n";
  for (int i = 0; i < 100; ++i) telling += text("g", i / 5, ",", i / 5 * 2 + i % 2, i % 2 ? ",p\n" : ",q\n");
  const Loaded table = loaded(telling, {.label = "y", .group = "g"});
  const std::vector<double> x = feature(table, "x");
  const std::set<double> in_train(x.begin(), x.begin() + 80);
  for (size_t i = 80; i < 100; ++i) CHECK(in_train.count(x[i]) == 0);
  CHECK_ERROR(loaded("g,x,y\na,1,p\na,2,q\n", {.label = "y", .group = "g"}), "one group only");
  // So do those of the training part when it is split again, whatever was done to it in between.
  for (uint64_t seed = 1; seed < 6; ++seed) {
    const auto [learn, validate] = table.split.train.take(70).label_noise(0.2, 1).split(0.2, seed);
    const std::vector<double> learnt = learn.all().x.to_vector<double>();
    const std::set<double> seen(learnt.begin(), learnt.end());
    CHECK(validate.size() == 15);
    for (const double value : validate.all().x.to_vector<double>()) CHECK(seen.count(value) == 0);
  }
}

TEST_CASE("no group tests that is far larger than the share, and at least one group tests and one trains") {
  const auto test_rows = [](std::vector<int> sizes, double fraction, uint64_t seed) {
    std::string bytes = "g,x,y\n";
    int row = 0;
    for (size_t g = 0; g < sizes.size(); ++g)
      for (int i = 0; i < sizes[g]; ++i, ++row) bytes += text("g", g, ",", (row * 7) % 31, row % 2 ? ",p\n" : ",q\n");
    return loaded(bytes, {.label = "y", .group = "g", .test_fraction = fraction, .seed = seed}).split.test.size();
  };
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK(test_rows({80, 20}, 0.2, seed) == 20);
    CHECK(test_rows({55, 45}, 0.2, seed) == 45);  // both overshoot by more than they help: the smallest
    CHECK(test_rows({50, 50}, 0.9, seed) == 50);  // both would fit
  }
}

TEST_CASE("with a time, the latest rows test") {
  std::string bytes = "day,x,y\n";
  for (int i = 0; i < 100; ++i)
    bytes +=
        text("2020-01-01 ", i / 60 + 10, ":", i % 60 < 10 ? "0" : "", i % 60, ",", 100 - i, i % 2 ? ",p\n" : ",q\n");
  const Loaded table = loaded(bytes, {.label = "y", .time = "day"});
  const std::vector<double> x = feature(table, "x");
  CHECK(*std::max_element(x.begin() + 80, x.end()) < *std::min_element(x.begin(), x.begin() + 80));
  CHECK_ERROR(loaded("day,x,y\nlater,1,p\n2,2,q\n", {.label = "y", .time = "day"}),
              "line 2, column \"day\"] got \"later\"");
  CHECK_ERROR(loaded("day,x,y\n1,1,p\n1,2,q\n", {.label = "y", .time = "day"}), "none is later");
  CHECK_ERROR(loaded(bytes, {.label = "y", .group = "x", .time = "day"}),
              "more than one of --test, --group and --time");
}

TEST_CASE("a test file may have its columns in another order, and must have them all") {
  Folder folder;
  const std::string train = folder.write("a.csv", rows([](int i) { return std::to_string(i % 7); }));
  const std::string test_file = folder.write("b.csv", "extra;y;z;x\n0;p;1;2\n0;q;3;4\n0;new;3;4\n");
  const Loaded table = load_table(train, {.label = "y", .test = test_file});
  CHECK(table.split.train.size() == 40);
  CHECK(table.split.test.size() == 3);
  CHECK(test::contains(joined(table.notes), "No training sample is of class \"new\""));
  CHECK_ERROR(load_table(train, {.label = "y", .test = folder.write("c.csv", "y,q\np,1\n")}), "no column \"x\"");
}

TEST_CASE("a test file needs neither the columns to drop nor those without a name") {
  Folder folder;
  std::string bytes = "name,x,z,y\n";  // the names of the rows have none
  for (int i = 0; i < 40; ++i) bytes += text("r", i, ",n", i, ",", i % 7, ",", i % 5, i % 2 ? ",p\n" : ",q\n");
  const std::string train = folder.write("a.csv", bytes);
  const std::string test_file = folder.write("b.csv", "y,z,x\np,1,2\nq,3,4\n");
  const Loaded table = load_table(train, {.label = "y", .test = test_file, .drop = {"name"}});
  CHECK(table.split.train.size() == 40);
  CHECK(table.split.test.size() == 2);
  CHECK(table.table->feature_names() == Words{"x", "z"});
  const std::vector<double> x = feature(table, "x");
  CHECK(x[40] == x[2]);  // both 2
  CHECK_ERROR(load_table(train, {.label = "y", .test = test_file}), "no column \"name\"");
  CHECK_ERROR(load_table(train, {.label = "y", .test = folder.write("c.csv", "y,x\np,1\nq,2\n"), .drop = {"name"}}),
              "c.csv] got no column \"z\", expected the columns of");
}

TEST_CASE("load finds a table by its ending in any case") {
  Folder folder;
  for (const char* name : {"T.CSV", "t.tsv", "t.Txt", "t.data"})
    CHECK(load_all(folder.write(name, two_classes(50)), {.label = "kind"}).split.train.size() == 40);
  CHECK_ERROR(load_all(folder.file("none.csv"), {.label = "kind"}), "none.csv] got No such file or directory");
  CHECK_ERROR(load_table(folder.file("t.tsv"), {.label = "kind", .test_fraction = 1}), "test fraction 1");
}
