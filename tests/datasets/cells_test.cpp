// Cells: the numbers, dates and missing values that a table's text holds.
#include "datasets/cells.h"

#include <cmath>
#include <vector>

#include "tests/check.h"

using namespace minima;
using namespace minima::datasets::detail;

TEST_CASE("numbers are read in the format of their column") {
  const auto read = [](const std::vector<std::string_view>& cells, char separator, char usual = '\0') {
    const char decimal = decimal_of(decimal_marks(cells), separator, usual);
    std::vector<double> out;
    for (const auto cell : cells) out.push_back(number_in(cell, decimal).value_or(NAN));
    return out;
  };
  CHECK(read({"1.5", "-2e3", "+3", ".5", "7"}, ',') == std::vector<double>{1.5, -2000, 3, 0.5, 7});
  CHECK(read({"1,5", "-2", "0,25"}, ';') == std::vector<double>{1.5, -2, 0.25});
  CHECK(read({"1.234,5", "2"}, ';') == std::vector<double>{1234.5, 2});
  CHECK(read({"1,234", "12,345,678.5", "3"}, ',') == std::vector<double>{1234, 12345678.5, 3});
  CHECK(read({"1,234"}, ';') == std::vector<double>{1.234});
  CHECK(read({"1,234"}, ';', '.') == std::vector<double>{1234});
  CHECK(read({"1.234", "-12.345"}, ';') == std::vector<double>{1.234, -12.345});
  CHECK(read({"1.234", "-12.345"}, ';', ',') == std::vector<double>{1234, -12345});
  CHECK(read({"0.123", "1,234"}, ';') == std::vector<double>{0.123, 1234});  // 0.123 has no thousands
  CHECK(read({"$ 1,200", "45%", "£3"}, ',') == std::vector<double>{1200, 45, 3});
  // Text beside the numbers does not change how they are read.
  CHECK(read({"0.25", "1.5"}, ',') == std::vector<double>{0.25, 1.5});
  CHECK(decimal_marks({"0.25", "about 3, or 4.5", "1.5"}).decimal() == '.');
  for (const char* none : {"", "abc", "1x", "1e", "--1", "inf", "nan", "1e39", "1e999", "-", "1 2", "0x10"})
    CHECK_MESSAGE(!number_in(none, {}), none);
  CHECK(number_in("1e-999", {}).value() == 0);
}

TEST_CASE("signs of money and minus, and marks between thousands, are understood wherever they are usual") {
  for (const char* cell : {"12,50 \u20ac", "12.50\u00a0\u20ac", "\u20ac12.5", "$12.50", "$ 12.5", "+12.5", "12.5%"})
    CHECK_MESSAGE(number_in(cell) == 12.5, cell);
  for (const char* cell : {"-$5", "$-5", "(5.00)", "($5)", "\u22125", "- 5", "-5 \u20ac"})
    CHECK_MESSAGE(number_in(cell) == -5.0, cell);
  for (const char* cell : {"1'234.5", "1\u2019234.5", "1\u00a0234,5", "1\u202f234,5", "1\u2009234.5"})
    CHECK_MESSAGE(number_in(cell) == 1234.5, cell);
  for (const char* none : {"()", "(-5)", "--5", "$", "1'23", "12'34'5", "1.2.3", "1,23,456", "192.168.0.1", "5 or 6"})
    CHECK_MESSAGE(!number_in(none), none);
}

TEST_CASE("dates are read in the usual orders, and text that is no date is none") {
  const auto days = [](const char* cell, bool day_first = false) { return days_in(cell, day_first).value_or(NAN); };
  for (const char* same : {"2020-04-03", "2020/04/03", "2020.4.3", "03.04.2020", "04/03/2020", "3 April 2020",
                           "Apr 3, 2020", "Apr 3 2020", "3-Apr-2020", "2020 Apr 3", "04/03/20"})
    CHECK_MESSAGE(days(same) == 18355, same);
  CHECK(days("03/04/2020", true) == 18355);
  CHECK(days("April 2020") == 18353);
  CHECK(days("2020-04") == 18353);
  CHECK(days("2020-04-03T12:00:00Z") == 18355.5);
  CHECK(days("2020-04-03 06:00") == 18355.25);
  CHECK(days("2020-04-03 06:00:00.250+02:00") == 18355.25);
  CHECK(days("1/2/69") == -364);
  CHECK(days("1/2/68") == 35795);
  for (const char* none : {"", "hello", "2020", "12", "2020-13-01", "2021-02-29", "1.5", "12:30", "a 3 April 2020",
                           "1-2", "192.168.0.1", "2020-04-03 77:00", "Mayor 3", "1795-1800", "2020-257", "2020-01-257"})
    CHECK_MESSAGE(std::isnan(days(none)), none);
  CHECK(day_first({"01/02/2020", "13/02/2020"}) == true);
  CHECK(day_first({"01/02/2020", "02/13/2020"}) == false);
  CHECK(day_first({"13/02/2020", "02/13/2020", "02/14/2020"}) == false);  // most of those that tell
  CHECK(day_first({"13/02/2020", "02/13/2020", "14/02/2020"}) == true);
  CHECK_FALSE(day_first({"13/02/2020", "02/13/2020"}).has_value());
  CHECK_FALSE(day_first({"13/14/2020", "01/02/2020"}).has_value());  // no date in either order
  CHECK_FALSE(day_first({"01/02/2020", "14 March 2019", "2020-01-30"}).has_value());
}

TEST_CASE("dates with the name of the day, a half of the day, a time zone or an ordinal are read") {
  for (const char* noon : {"03/14/19 12:00 PM", "3/14/2019 12:00:00 pm", "Thursday, 14 March 2019 12:00",
                           "14th March 2019 12:00", "Thu Mar 14 12:00:00 2019", "Thu Mar 14 12:00:00 EST 2019",
                           "2019-03-14 12:00 CET", "Thu, 14 Mar 2019 12:00:00 GMT", "March 14th, 2019 12:00PM"})
    CHECK_MESSAGE(days_in(noon, false) == 17969.5, noon);
  CHECK(days_in("03/14/19 12:00 AM", false) == 17969.0);
  CHECK(days_in("03/14/19 06:00 PM", false) == 17969.75);
  for (const char* none :
       {"03/14/19 13:00 PM", "03/14/19 PM", "14 March 2019 XYZ", "Thu Mar 14 12:00:00 19", "th 3 2019"})
    CHECK_MESSAGE(!days_in(none, false), none);
}
