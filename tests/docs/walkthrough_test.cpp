// The pages in docs show the code as it is, what the programs print and what was measured; and README.md is short.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;
namespace fs = std::filesystem;

namespace {

const fs::path docs = fs::path(MINIMA_SOURCE_DIR) / "docs";

/// The chapters in reading order.
std::vector<fs::path> chapters() {
  std::map<int, fs::path> found;
  for (const auto& entry : fs::directory_iterator(docs / "walkthrough"))
    if (std::isdigit(static_cast<unsigned char>(entry.path().filename().string()[0])))
      found[std::stoi(entry.path().filename().string())] = entry.path();
  std::vector<fs::path> in_order;
  for (const auto& [number, path] : found) in_order.push_back(path);
  return in_order;
}

std::string contents(const fs::path& path) { return read_bytes(path.string()); }

Outcome sync_check(const TemporaryFolder& folder, const fs::path& of) {
  return run(folder, {"/bin/sh", (docs / "sync").string(), "--check", "--bin", MINIMA_PROGRAMS, "--docs", of.string()});
}

/// All numbers in the lines of a program's paragraph that begin with `row`, in order.
std::vector<double> numbers(const std::string& output, const std::string& heading, const std::string& row) {
  std::istringstream lines(output.substr(std::min(output.find(heading + "\n"), output.size())));
  std::string line, word;
  std::vector<double> found;
  while (std::getline(lines, line) && !line.empty()) {
    if (line.rfind(row, 0) != 0) continue;
    for (char& c : line)
      if (c == '[' || c == ']' || c == ',') c = ' ';
    std::istringstream words(line.substr(row.size()));
    while (words >> word)
      if (word != "-") found.push_back(std::stod(word));
  }
  return found;
}

/// A docs folder of one chapter.
fs::path docs_with(const TemporaryFolder& folder, const std::string& chapter) {
  folder.write("docs/walkthrough/chapter.md", chapter);
  return folder.file("docs");
}

/// Where the links and images of a page lead: what stands between "](" and ")", outside code.
std::vector<std::string> links_of(const fs::path& page) {
  std::vector<std::string> links;
  bool code = false;
  for (const std::string& line : lines_of(page.string())) {
    if (line.rfind("```", 0) == 0) code = !code;
    if (code) continue;
    for (size_t at = line.find("]("); at != std::string::npos; at = line.find("](", at + 2))
      links.push_back(line.substr(at + 2, line.find(')', at) - at - 2));
  }
  return links;
}

/// The name that a code host gives to a heading.
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter)) anchor += static_cast<char>(std::tolower(letter));
    if (c == ' ' || c == '-') anchor += '-';
    if (c == '_') anchor += c;
  }
  return anchor;
}

std::set<std::string> anchors_in(const fs::path& page) {
  std::set<std::string> anchors;
  for (const std::string& line : lines_of(page.string()))
    if (line.rfind('#', 0) == 0) anchors.insert(anchor_of(line.substr(line.find(' ') + 1)));
  return anchors;
}

}  // namespace

TEST_CASE("the chapters of the walkthrough show the source and the output as they are: else ./minima docs sync") {
  TemporaryFolder folder;
  const Outcome outcome = sync_check(folder, docs);
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
}

TEST_CASE("a chapter that shows other code or output fails docs/sync --check, which says how to mend it") {
  const std::string code =
      "<!-- source: core/update_rules.h struct GradientDescentRule -->\n```cpp\nold code\n```\n<!-- end -->\n";
  const std::string output =
      "<!-- output: walk1_gradient_step One step of gradient descent, lr = 0.18 -->\n```text\nold\n```\n<!-- end -->\n";
  const std::string vague =
      "<!-- output (digits vary): walk1_gradient_step One step of gradient descent, lr = 0.18 -->\n```text\n"
      "One step of gradient descent, lr = 0.19\n   w1  w2\nw  2  7.8\ngradient at w  2 8\nw afterwards 1.64 -0.6\n"
      "```\n<!-- end -->\n";
  for (const std::string& chapter : {code, output}) {
    TemporaryFolder folder;
    const Outcome outcome = sync_check(folder, docs_with(folder, "# A chapter\n\n" + chapter));
    CHECK(outcome.status == 1);
    for (const char* part : {"docs/walkthrough/chapter.md does not show", "-old", "./minima docs sync"})
      CHECK_MESSAGE(contains(outcome.output, part), outcome.output);
  }
  TemporaryFolder folder;
  CHECK(sync_check(folder, docs_with(folder, "Words count, digits do not:\n" + vague)).status == 0);
  TemporaryFolder other;
  CHECK(
      sync_check(other, docs_with(other, vague.substr(0, vague.find("gradient at")) + "```\n<!-- end -->\n")).status ==
      1);
}

TEST_CASE("docs/sync names a definition, a paragraph or a program that does not exist") {
  for (const auto& [block, message] :
       {std::pair{"source: core/update_rules.h struct NoRule", "no definition with \"struct NoRule\""},
        {"source: core/no_file.h x", "there is no file core/no_file.h"},
        {"output: walk1_gradient_step Nothing", "prints no paragraph \"Nothing\""},
        {"output: walk0 x", "there is no program"}}) {
    TemporaryFolder folder;
    const Outcome outcome =
        sync_check(folder, docs_with(folder, std::string("<!-- ") + block + " -->\n<!-- end -->\n"));
    CHECK(outcome.status == 2);
    CHECK_MESSAGE(contains(outcome.output, message), outcome.output);
  }
}

TEST_CASE("docs/sync shows one statement from within a function, without its indentation") {
  const std::string marker = "<!-- source: examples/walkthrough/walk1_gradient_step.cpp return run_walk -->\n";
  TemporaryFolder folder;
  const fs::path shown = docs_with(folder, marker + "<!-- end -->\n");
  const Outcome outcome =
      run(folder, {"/bin/sh", (docs / "sync").string(), "--bin", MINIMA_PROGRAMS, "--docs", shown.string()});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  const std::vector<std::string> lines = lines_of((shown / "walkthrough/chapter.md").string());
  REQUIRE(lines.size() == 5);
  CHECK(lines[1] == "```cpp");
  CHECK_MESSAGE(lines[2].rfind("return run_walk(", 0) == 0, lines[2]);
  CHECK(lines[3] == "```");
}

TEST_CASE("docs/sync shows a measurement's paragraph of docs/results, and names what is not there") {
  const auto checked = [](const std::string& block) {
    TemporaryFolder folder;
    return sync_check(folder, docs_with(folder, "<!-- result: " + block + "\n<!-- end -->\n"));
  };
  const Outcome old = checked("compare-digits minus sgd -->\n```text\nold\n```");
  CHECK(old.status == 1);
  CHECK_MESSAGE(contains(old.output, "+minus sgd "), old.output);
  CHECK(contains(checked("compare-digits Nothing -->").output, "compare-digits.txt has no paragraph \"Nothing\""));
  CHECK(contains(checked("compare-digits No section / minus sgd -->").output, "no paragraph"));
  CHECK(contains(checked("no-measurement x -->").output, "there is no file docs/results/no-measurement.txt"));
}

TEST_CASE("docs/measure keeps what a command prints, without its progress, and puts it on the page") {
  TemporaryFolder folder;
  const auto script = [&](const std::string& name, const std::string& text) {
    std::filesystem::permissions(folder.write(name, text), fs::perms::owner_all);
  };
  script("docs/measure", contents(docs / "measure"));
  script("docs/sync", contents(docs / "sync"));
  script("minima",
         "#!/bin/sh\nmkdir -p runs/x && echo new >runs/x/per_epoch.svg\nprintf '%s\\n' 'sgd lr 1 seed 1  train loss 2' "
         "\"$*\" '' '---- Part' 'a table' '' 'Everything is in runs: open it.'\n");
  folder.write("README.md", "A page.\n");
  folder.write("docs/images/one.svg", "old\n");
  folder.write("docs/results/one.txt", "$ ./minima compare --seeds 3\n");
  folder.write("docs/results.md",
               "<!-- result: one Part / a -->\nold\n<!-- end -->\n<!-- result: two x -->\nkept\n<!-- end -->\n");
  folder.write("docs/results/two.txt", "$ ./minima lab1\n");
  const Outcome outcome = run(folder, {"/bin/sh", folder.file("docs/measure"), "one"});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(contents(folder.file("docs/results/one.txt")) ==
        "$ ./minima compare --seeds 3\ncompare --seeds 3\n\n---- Part\na table\n\n");
  CHECK(contents(folder.file("docs/results.md")) ==
        "<!-- result: one Part / a -->\n```text\na table\n```\n<!-- end -->\n<!-- result: two x -->\nkept\n<!-- end "
        "-->\n");
  CHECK(contents(folder.file("docs/images/one.svg")) == "new\n");
  script("minima", "#!/bin/sh\nexit 3\n");
  const std::string before = contents(folder.file("docs/results/one.txt"));
  CHECK(run(folder, {"/bin/sh", folder.file("docs/measure"), "one"}).status == 1);
  CHECK(contents(folder.file("docs/results/one.txt")) == before);
  CHECK(contains(run(folder, {"/bin/sh", folder.file("docs/measure"), "three"}).output,
                 "there is no docs/results/three.txt"));
}

TEST_CASE("every measurement in docs/results begins with its command and is shown in docs/results.md") {
  const std::string page = contents(docs / "results.md");
  int measurements = 0;
  for (const auto& entry : fs::directory_iterator(docs / "results")) {
    if (entry.path().extension() != ".txt") continue;
    const std::string name = entry.path().stem().string();
    CHECK_MESSAGE(contents(entry.path()).rfind("$ ./minima ", 0) == 0, name);
    CHECK_MESSAGE(contains(page, "<!-- result: " + name + " "), name);
    ++measurements;
  }
  CHECK(measurements >= 8);
}

TEST_CASE("README.md has at most 900 words, and the result that it shows fits 100 columns") {
  const fs::path readme = docs.parent_path() / "README.md";
  std::istringstream words(contents(readme));
  const auto count = std::distance(std::istream_iterator<std::string>(words), {});
  CHECK_MESSAGE(count <= 900, count << " words");
  bool shown = false;
  int lines = 0;
  for (const std::string& line : lines_of(readme.string())) {
    if (line.rfind("```", 0) == 0) shown = line == "```text";
    if (!shown) continue;
    ++lines;
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  CHECK(lines > 5);
}

TEST_CASE("every program of the walkthrough is shorter than 100 lines") {
  int programs = 0;
  for (const auto& file : std::filesystem::directory_iterator(docs.parent_path() / "examples" / "walkthrough")) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with("walk") || !name.ends_with(".cpp")) continue;  // what they share
    const std::string source = contents(file.path());
    CHECK_MESSAGE(std::count(source.begin(), source.end(), '\n') < 100, file.path());
    ++programs;
  }
  CHECK(programs == 10);
}

TEST_CASE("every chapter has a program, a figure that it shows, a box to predict first, code, and 2 to 4 exercises") {
  REQUIRE(chapters().size() == 10);
  const std::string solutions = contents(docs / "walkthrough" / "solutions.md");
  for (size_t i = 1; i <= 10; ++i) {
    const std::string page = contents(chapters()[i - 1]), name = chapters()[i - 1].filename().string();
    CHECK_MESSAGE(contains(page, text("./minima walk", i, "\n")), name);
    CHECK_MESSAGE(contains(contents(docs / "site" / "mkdocs.yml"), "walkthrough/" + name + "\n"), name);
    CHECK_MESSAGE(contains(contents(docs / "README.md"), "(walkthrough/" + name + ")"), name);
    CHECK_MESSAGE(contains(page, text("](../images/walk", i, "_")), name);
    CHECK_MESSAGE(contains(page, "> **Predict first.**"), name);
    CHECK_MESSAGE(contains(page, "<!-- output"), name);
    int exercises = 0;
    for (int k = 1; contains(page, text("**", i, ".", k, "**")); ++k, ++exercises)
      CHECK_MESSAGE(contains(solutions, text("**", i, ".", k, "**")), name << ": exercise " << k << " has no solution");
    CHECK_MESSAGE((exercises >= 2 && exercises <= 4), name << " has " << exercises << " exercises");
  }
}

TEST_CASE(
    "chapter 7: along the velocity the loss rises by curvature, a random direction's many times, little by slope") {
  TemporaryFolder folder;
  const std::string output = run(folder, {MINIMA_PROGRAMS "/walk7_msam", "--numbers-only"}).output;
  const std::string heading =
      "Away from w in trainings with momentum on digits, lr = 0.1: the loss of the step's batch";
  // by distance: distance, share of steps in which the loss is higher, rise, slope's part, curvature's
  const auto ahead = numbers(output, heading, "ahead"), random = numbers(output, heading, "random");
  REQUIRE_MESSAGE((ahead.size() == 15 && random.size() == 15), output);
  for (size_t i = 0; i < 15; i += 5) {
    CHECK_MESSAGE((ahead[i + 1] > 60 && random[i + 1] > 48 && random[i + 1] < 75), output);
    CHECK_MESSAGE(ahead[i + 4] > 50 * random[i + 4], output);
    CHECK_MESSAGE((ahead[i + 3] > 0 && ahead[i + 3] < ahead[i + 2] / 3), output);
  }
  for (const char* lr : {"0.10", "0.05"}) {
    const auto cosine = numbers(output, "Mean cos(v, g) in these trainings, g at w", lr);
    REQUIRE_MESSAGE(cosine.size() == 2, output);
    CHECK_MESSAGE((cosine[1] < 0 && cosine[1] > -0.15), output);
  }
  CHECK_MESSAGE(numbers(output, "Mean cos(v, g) in these trainings, g at w", "0.05")[0] > 0, output);
}

TEST_CASE(
    "chapter 9: SAM and MSAM lower the test loss, Nesterov is not separated, a bad learning rate loses by points") {
  TemporaryFolder folder;
  const std::string output = run(folder, {MINIMA_PROGRAMS "/walk9_comparison", "--numbers-only"}).output;
  const auto row = [&](const std::string& name) {  // accuracy with its interval, loss with its interval
    const auto six = numbers(output, "Differences paired by seed, with 95% intervals", name + "  ");
    REQUIRE_MESSAGE(six.size() == 6, output);
    return six;
  };
  for (const char* name : {"sam", "msam", "sam, half the steps"}) CHECK_MESSAGE(row(name)[5] < 0, output);
  CHECK_MESSAGE((row("nesterov")[1] < 0 && row("nesterov")[2] > 0), output);
  CHECK_MESSAGE((row("nesterov")[4] < 0 && row("nesterov")[5] > 0), output);
  CHECK_MESSAGE(row("sgd, lr 20 times too small")[2] < -4, output);
  CHECK_MESSAGE((row("sgd, lr 0.0707")[3] > 0 && row("sgd, lr 0.0707")[0] < row("sam")[0]), output);
}

TEST_CASE("every exercise of the walkthrough has a test, and every such test an exercise") {
  std::set<std::string> exercises, tested;
  for (const fs::path& chapter : chapters())
    for (const std::string& line : lines_of(chapter.string()))
      if (line.rfind("**", 0) == 0 && std::isdigit(static_cast<unsigned char>(line[2])))
        exercises.insert(line.substr(2, line.find("**", 2) - 2));
  const std::string opening = "TEST_CASE(\"exercise ";
  for (const char* file : {"exercises_1_to_4_test.cpp", "exercises_5_to_9_test.cpp", "exercises_10_test.cpp"})
    for (const std::string& line : lines_of(std::string(MINIMA_SOURCE_DIR "/tests/docs/") + file))
      if (line.rfind(opening, 0) == 0) tested.insert(line.substr(opening.size(), line.find(':') - opening.size()));
  CHECK(exercises.size() >= 31);
  CHECK(exercises == tested);
}

TEST_CASE("every link and image in README.md and docs leads somewhere within the repository") {
  std::vector<fs::path> pages{docs.parent_path() / "README.md", docs.parent_path() / "README.ja.md"};
  for (const auto& entry : fs::directory_iterator(docs))
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  for (const char* folder : {"walkthrough", "labs", "course", "teaching", "ja"})
    for (const auto& entry : fs::directory_iterator(docs / folder)) pages.push_back(entry.path());
  int links = 0;
  for (const fs::path& page : pages)
    for (const std::string& link : links_of(page)) {
      ++links;
      const size_t hash = link.find('#');
      const fs::path target = hash == 0 ? page : page.parent_path() / link.substr(0, hash);
      CHECK_MESSAGE(fs::exists(target), page.string() << ": " << link);
      if (hash != std::string::npos)
        CHECK_MESSAGE(anchors_in(target).count(link.substr(hash + 1)), page.string() << ": " << link);
    }
  CHECK(links > 40);
}
