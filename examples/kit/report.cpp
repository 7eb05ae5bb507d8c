#include "examples/kit/report.h"

#include <fstream>
#include <sstream>

#include "core/error.h"
#include "examples/kit/metrics.h"

namespace minima::examples {

namespace {

/// Text as HTML; "+-" becomes the sign it stands for.
std::string escaped(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (text.compare(i, 2, "+-") == 0)
      result += "&plusmn;", ++i;
    else if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

std::string base64(const std::string& bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t j = 0; j < 3; ++j) three = three << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) result += i + j > bytes.size() ? '=' : digits[three >> (18 - 6 * j) & 63];
  }
  return result;
}

constexpr const char* style = R"(
body { font: 16px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #222; }
body { max-width: 1100px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
.statement { border-left: 4px solid #0072B2; padding: .5em 1em; background: #f2f7fb; }
.answers { padding: .1em 1em .6em; background: #f6f6f0; border: 1px solid #ddd; border-radius: 4px; }
.answers h2 { margin-top: .6em; }
.answers h3 { font-size: 1em; margin: .9em 0 .1em; } .answers p { margin: 0; }
:lang(ja) { font-family: "Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", Meiryo, sans-serif; line-height: 1.7; }
.wide { overflow-x: auto; background:  /* a blue shade at an edge beyond which there is more */
  linear-gradient(to right, #fff 50%, #fff0) 0 0 / 3em 100% no-repeat local,
  linear-gradient(to left, #fff 50%, #fff0) 100% 0 / 3em 100% no-repeat local,
  linear-gradient(to right, #0072B2, #fff0) 0 0 / .8em 100% no-repeat scroll,
  linear-gradient(to left, #0072B2, #fff0) 100% 0 / .8em 100% no-repeat scroll; }
.narrow { display: none; }
@media (max-width: 760px) {
  body { margin: 1em auto; padding: 0 .6em; }
  figure img { min-width: 760px; }
  figure .wide { border-right: 3px solid #0072B2; }
  .narrow { display: block; font-size: .85em; color: #0072B2; }
}
pre { font: .84em/1.4 "DejaVu Sans Mono", Consolas, monospace; margin: .5em 0; }
table { border-collapse: collapse; font-size: .84em; white-space: nowrap; }
th, td { text-align: right; padding: .25em .8em .25em 0; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, .words th, .words td { text-align: left; }
th { border-bottom: 2px solid #888; font-weight: 600; }
figure { margin: 1.5em 0; } figure img { width: 100%; height: auto; }
figcaption { font-size: .85em; color: #555; }
)";

}  // namespace

Report::Report(const std::string& title) : title_(title) {}

void Report::heading(const std::string& text) { body_ += "<h2>" + escaped(text) + "</h2>\n"; }
void Report::paragraph(const std::string& text) { body_ += "<p>" + escaped(text) + "</p>\n"; }
void Report::code(const std::string& lines) {
  body_ += "<div class=\"wide\"><pre>" + escaped(lines) + "</pre></div>\n";
}
void Report::statement(const std::string& text) { body_ += "<p class=\"statement\">" + escaped(text) + "</p>\n"; }

void Report::answers(const std::string& title, const std::vector<std::pair<std::string, std::string>>& answers,
                     const std::string& language) {
  body_ += "<section class=\"answers\" lang=\"" + escaped(language) + "\"><h2>" + escaped(title) + "</h2>\n";
  for (const auto& [question, answer] : answers)
    body_ += "<h3>" + escaped(question) + "</h3><p>" + escaped(answer) + "</p>\n";
  body_ += "</section>\n";
}

void Report::table(const Table& rows, Cells cells) {
  body_ += "<div class=\"wide\"><table" + std::string(cells == Cells::words ? " class=\"words\"" : "") + ">\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string cell = i == 0 ? "th" : "td";
    body_ += "<tr>";
    for (const std::string& value : rows[i]) body_ += "<" + cell + ">" + escaped(value) + "</" + cell + ">";
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
}

void Report::figure(const std::string& svg_path, const std::string& caption) {
  std::ifstream file(svg_path, std::ios::binary);
  std::ostringstream svg;
  svg << file.rdbuf();
  if (!file) fail(svg_path, "no readable file", "a figure for the report");
  body_ += "<figure><div class=\"wide\"><img alt=\"" + escaped(caption) + "\" src=\"data:image/svg+xml;base64," +
           base64(svg.str()) + "\"></div><figcaption>" + escaped(caption) + "</figcaption></figure>\n";
}

void Report::save(const std::string& path) const {
  write_text(path, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + escaped(title_) +
                       "</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>" +
                       style + "</style></head>\n<body>\n<h1>" + escaped(title_) +
                       "</h1>\n<p class=\"narrow\">Tables and figures with a blue edge scroll sideways.</p>\n" + body_ +
                       "</body></html>\n");
}

}  // namespace minima::examples
