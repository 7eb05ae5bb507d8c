// The names that `using namespace minima` brings into a program: those that a user needs, and no other.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "minima.h"
#include "tests/check.h"

namespace fs = std::filesystem;

namespace {

using Names = std::set<std::string>;

const Names for_users = {
    // tensors
    "Tensor", "Shape", "DType", "Device", "dtype_of", "is_floating", "name_of", "size_of", "operator<<",
    "cuda_unavailable_reason",
    // errors of a user's own ops, layers and loaders
    "Error", "fail", "joined", "text",
    // memory and threads
    "MemoryStatistics", "memory_statistics", "release_cached_memory", "reset_peak_memory", "host_reads", "has_threads",
    "num_threads", "set_num_threads",
    // groups of processes
    "Communicator", "GroupOfOne", "require_agreement",
    // random numbers
    "Generator", "default_generator", "manual_seed", "version",
    // files
    "Archive", "can_load_safetensors", "load_safetensors", "parse_safetensors", "save_safetensors",
    "write_file_atomically",
    // automatic differentiation
    "Variable", "RequiresGrad", "requires_grad", "GradOptions", "grad", "Hessian", "hvp", "NoGrad", "EnableGrad",
    "grad_enabled", "BatchStatisticsFrozen"};

// All that it declares is for users: the ops. (Each has a row of the op table.)
bool is_of_ops(const fs::path& header) {
  return header.parent_path().filename() == "autograd" && header.filename() == "ops.h";
}

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// C++ without comments, strings and preprocessor lines.
std::string bare(std::string source) {
  for (const char* noise : {"//[^\n]*", "\"(?:[^\"\\\\]|\\\\.)*\"", "#[^\n]*(?:\\\\\n[^\n]*)*", "'(?:[^'\\\\]|\\\\.)'"})
    source = std::regex_replace(source, std::regex(noise), " ");
  return source;
}

// The name that a declaration declares; empty where there is none. `head` ends before its body or semicolon.
std::string declared(std::string head) {
  head = std::regex_replace(head, std::regex("\\s+"), " ");
  while (head.rfind("template <", head.find_first_not_of(' ')) != std::string::npos) {
    size_t end = head.find('<');
    for (int open = 0; end < head.size(); ++end) {
      open += (head[end] == '<') - (head[end] == '>');
      if (open == 0) break;
    }
    head = head.substr(end + 1);
  }
  std::smatch match;
  if (std::regex_search(head, match, std::regex("^ ?(?:class|struct|enum class|enum) (\\w+)"))) return match[1];
  if (std::regex_search(head, match, std::regex("^ ?using (\\w+) ="))) return match[1];
  if (std::regex_search(head, match, std::regex("(operator ?[^ (\\w]+)\\("))) return match[1];
  if (std::regex_search(head, match, std::regex("constexpr [\\w:<>* ]+?(\\w+) ?(?:=|$)"))) return match[1];
  if (std::regex_search(head, match, std::regex("(\\w+) ?\\("))) return match[1];
  return "";
}

// The names declared directly in namespace minima.
Names names_in(const std::string& header) {
  const std::string source = bare(header);
  Names names;
  std::vector<std::string> open;  // the opening text of each brace around the current place
  std::string head;
  const auto keep = [&] {
    const bool directly = open.size() == 1 && std::regex_match(open[0], std::regex("\\s*namespace minima\\s*"));
    if (const std::string name = directly ? declared(head) : ""; !name.empty()) names.insert(name);
    head.clear();
  };
  for (const char c : source) {
    if (c == '{') {
      const std::string opening = head;
      keep();
      open.push_back(opening);
    } else if (c == '}') {
      if (!open.empty()) open.pop_back();
      head.clear();
    } else if (c == ';') {
      keep();
    } else {
      head += c;
    }
  }
  return names;
}

}  // namespace

TEST_CASE("the scan for names sees every kind of declaration, and nothing that lies deeper") {
  CHECK(names_in(
            "#define X \\\n  struct No {};\nnamespace minima {\nclass A;\nstruct B final { int no(); };  // struct No\n"
            "enum class C : int { no };\nusing D = int;\ninline constexpr int e = 3;\nvoid f(int no);\n"
            "template <class T, class = F<T>>\nG<T> g(T no) { return no(); }\nV operator+(V x, V y);\n"
            "namespace core { struct No {}; }\ntemplate <class T> inline constexpr H h = [] { return 0; }();\n}\n"
            "namespace minima::core { struct No {}; void no(); }\n") ==
        Names{"A", "B", "C", "D", "e", "f", "g", "h", "operator+"});
}

TEST_CASE("namespace minima holds the names that a user needs and no other") {
  Names found;
  for (const char* folder : {"core", "autograd", "nn", "optim", "datasets"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(MINIMA_SOURCE_DIR) / folder))
      if (entry.path().extension() == ".h" && !is_of_ops(entry.path()))
        for (const std::string& name : names_in(contents(entry.path()))) {
          found.insert(name);
          CHECK_MESSAGE(for_users.count(name) == 1,
                        name << " of " << entry.path().filename()
                             << " is in namespace minima: is it for users, or does it belong to minima::core?");
        }
  for (const std::string& name : for_users)
    CHECK_MESSAGE(found.count(name) == 1, name << " is listed, but not declared");
}

// A program with types of its own, as a user would write it. Each is used, so that a second meaning would not compile.
using namespace minima;

namespace {

template <int number>
struct Mine {
  int value = number;
};
struct Backend : Mine<1> {};
struct Batch : Mine<1> {};
struct Block : Mine<1> {};
struct Broadcast : Mine<1> {};
struct Buffer : Mine<1> {};
struct Config : Mine<1> {};
struct Context : Mine<1> {};
struct Distribution : Mine<1> {};
struct Edge : Mine<1> {};
struct Entry : Mine<1> {};
struct Epoch : Mine<1> {};
struct Fold : Mine<1> {};
struct Function : Mine<1> {};
struct Gemm : Mine<1> {};
struct Gradients : Mine<1> {};
struct Group : Mine<1> {};
struct Input : Mine<1> {};
struct Layer : Mine<1> {};
struct Leaf : Mine<1> {};
struct Matrix : Mine<1> {};
struct Node : Mine<1> {};
struct Op : Mine<1> {};
struct Options : Mine<1> {};
struct Output : Mine<1> {};
struct Point : Mine<1> {};
struct Rule : Mine<1> {};
struct Run : Mine<1> {};
struct Row : Mine<1> {};
struct Sample : Mine<1> {};
struct Saved : Mine<1> {};
struct Saves : Mine<1> {};
struct Shared : Mine<1> {};
struct State : Mine<1> {};
struct Storage : Mine<1> {};
struct Sum : Mine<1> {};
struct Table : Mine<1> {};
struct Unary : Mine<1> {};
struct Vector : Mine<1> {};
Mine<1> record, saved, backend, visit, gemm, draw, philox;
}  // namespace

TEST_CASE("a program that uses namespace minima may name its own types as it likes") {
  const int sum = Backend{}.value + Batch{}.value + Block{}.value + Broadcast{}.value + Buffer{}.value +
                  Config{}.value + Context{}.value + Distribution{}.value + Edge{}.value + Entry{}.value +
                  Epoch{}.value + Fold{}.value + Function{}.value + Gemm{}.value + Gradients{}.value + Group{}.value +
                  Input{}.value + Layer{}.value + Leaf{}.value + Matrix{}.value + Node{}.value + Op{}.value +
                  Options{}.value + Output{}.value + Point{}.value + Rule{}.value + Run{}.value + Row{}.value +
                  Sample{}.value + Saved{}.value + Saves{}.value + Shared{}.value + State{}.value + Storage{}.value +
                  Sum{}.value + Table{}.value + Unary{}.value + Vector{}.value + record.value + saved.value +
                  backend.value + visit.value + gemm.value + draw.value + philox.value;
  CHECK(sum == 45);
}
