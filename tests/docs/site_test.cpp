// docs/site/build, with a stand-in for MkDocs that passes the pages on as they are.
#include "tests/check.h"
#include "tests/examples/process.h"

using namespace minima;
using namespace minima::test;

namespace {

struct FakeSite {
  TemporaryFolder folder;

  /// `also` is a line that the stand-in runs in the site's folder.
  explicit FakeSite(const std::string& also = "true") {
    folder.write("tools/mkdocs",
                 "#!/bin/sh\nmkdir -p \"$7\" && cp -R \"${5%/*}/pages/.\" \"$7\" && cd \"$7\" && " + also + "\n");
    std::filesystem::permissions(folder.file("tools/mkdocs"), std::filesystem::perms::owner_all);
    for (const char* file : {"katex/katex.min.js", "katex/katex.min.css", "katex/fonts/a.woff2", "fonts/DejaVuSans.ttf",
                             "fonts/DejaVuSans-Bold.ttf", "fonts/DejaVuSansMono.ttf", "fonts/DejaVuSansMono-Bold.ttf"})
      folder.write(file, "");
  }
  /// `play` is a page of the playground made before; none without.
  Outcome build(const std::string& katex = "katex", const std::string& play = "") const {
    return run(folder, {"/bin/sh", MINIMA_SOURCE_DIR "/docs/site/build", folder.file("site")},
               {{"KATEX", folder.file(katex)},
                {"FONTS", folder.file("fonts")},
                {"PLAYGROUND", play},
                {"PATH", folder.file("tools") + ":" + std::getenv("PATH")}});
  }
  std::string page(const std::string& name) const { return read_bytes(folder.file("site/" + name)); }
};

}  // namespace

TEST_CASE("the site has every chapter, its boxes as boxes, its figures and KaTeX, and no marks for docs/sync") {
  const FakeSite site;
  const Outcome outcome = site.build();
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  const std::string page = site.page("walkthrough/7-msam.md");
  CHECK(contains(page, "# 7. MSAM"));
  CHECK(contains(page, "!!! question \"Predict first\"\n\n    Train a network on batches"));
  CHECK(contains(page, "Variable MSAM::step"));
  CHECK(!contains(page, "<!--"));
  CHECK(contains(site.page("walkthrough/9-reading-a-comparison.md"), "](../index.md)"));
  CHECK(contains(site.page("walkthrough/2-momentum.md"), "!!! note \"Two conventions\""));
  for (const char* file : {"index.md", "images/walk1_paths.svg", "katex/katex.min.js", "katex/fonts/a.woff2",
                           "fonts/DejaVuSans.ttf", "fonts/DejaVuSansMono-Bold.ttf"})
    CHECK_MESSAGE(std::filesystem::exists(site.folder.file(std::string("site/") + file)), file);
}

TEST_CASE("links to the playground's lessons open them where the site has the playground, else tell of them") {
  const FakeSite site;
  site.folder.write("play.html", "<!doctype html>\n<html lang=\"en\">\n<script>play</script>\n");
  REQUIRE(site.build("katex", site.folder.file("play.html")).status == 0);
  CHECK(contains(site.page("play.html"), "<html lang=\"en\" data-site>"));
  CHECK(contains(site.page("walkthrough/7-msam.md"), "](../play.html#lesson=parking)"));
  CHECK(contains(site.page("playground.md"), "### Parking\n\n[Open this lesson](play.html#lesson=parking).\n"));
  const FakeSite without;
  REQUIRE(without.build().status == 0);
  CHECK(!std::filesystem::exists(without.folder.file("site/play.html")));
  CHECK(contains(without.page("walkthrough/7-msam.md"), "](../playground.md#parking)"));
}

TEST_CASE("a site that would fetch something from a network is refused") {
  for (const char* line : {"echo '<script src=\"https://cdn.example/x.js\">' >index.html",
                           "echo '<link rel=stylesheet href=//fonts.example/css>' >index.html",
                           "echo '@import url(https://fonts.example/css);' >look.css"}) {
    const FakeSite site(line);
    const Outcome outcome = site.build();
    CHECK(outcome.status == 1);
    CHECK_MESSAGE(contains(outcome.output, "fetch something from a network"), outcome.output);
    CHECK(!std::filesystem::exists(site.folder.file("site")));
  }
  CHECK(FakeSite("echo '<a href=\"https://example.org\">a link is no fetch</a>' >index.html").build().status == 0);
}

TEST_CASE("without KaTeX the site says which package has it") {
  const Outcome outcome = FakeSite().build("nowhere");
  CHECK(outcome.status == 1);
  CHECK_MESSAGE(contains(outcome.output, "libjs-katex"), outcome.output);
}
