// CSV text → Dataset: headers, labels, words; every wrong cell by its place.
#include "data/table.h"

#include <fmt/format.h>

#include <cmath>

#include "data/scratch.h"

namespace soma {
namespace {

using test::message;
using testing::ElementsAre;
using testing::HasSubstr;

Result<Dataset> table(std::string_view text, const DataOptions& options = {}) {
  return parse_table(std::string(text), "t.csv", options);
}

TEST(Table, HeaderNumbersAndClassNames) {
  const Result<Dataset> data = table("a,b,kind\n1,2,pear\n3,4.5,apple\n5,6,pear\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->count, 3);
  EXPECT_THAT(data->shape, ElementsAre(2));
  EXPECT_THAT(data->floats, ElementsAre(1, 2, 3, 4.5F, 5, 6));
  EXPECT_THAT(data->labels, ElementsAre(1, 0, 1));
  EXPECT_THAT(data->class_names, ElementsAre("apple", "pear"));
  EXPECT_EQ(data->label_name, "kind");
  EXPECT_EQ(data->columns, (std::vector<Column>{{"a", {}}, {"b", {}}}));
}

TEST(Table, WithoutHeaderColumnsAreNumbered) {
  const Result<Dataset> data = table("1,2,x\n3,4,y\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->count, 2);
  EXPECT_EQ(data->columns, (std::vector<Column>{{"0", {}}, {"1", {}}}));
  EXPECT_EQ(data->label_name, "2");
}

TEST(Table, TheHeaderIsGuessedOrTold) {
  EXPECT_EQ(table("colour,size,buy\nred,big,yes\nblue,big,no\n")->count, 2);
  EXPECT_EQ(table("red,big,yes\nblue,big,no\nred,small,no\n")->count, 3);
  DataOptions told;
  told.header = false;
  EXPECT_EQ(table("colour,size,buy\nred,big,yes\nblue,big,no\n", told)->count, 3);
  told.header = true;
  EXPECT_EQ(table("1,2\n3,4\n", told)->columns[0].name, "1");
  EXPECT_EQ(message(table("a,b\n", told)), "t.csv: wanted at least one sample, got none");
  EXPECT_EQ(message(table("a,b,kind\n")), "t.csv: wanted at least one sample, got none");
  EXPECT_EQ(message(table("")), "t.csv: wanted rows, got an empty file");
}

TEST(Table, LabelByNameAndIndex) {
  DataOptions options;
  const std::string text = "kind,a,b\nx,1,2\ny,3,4\n";
  for (const char* label : {"kind", "0", "-3"}) {
    options.label = label;
    const Result<Dataset> data = table(text, options);
    ASSERT_TRUE(data.ok()) << message(data);
    EXPECT_THAT(data->floats, ElementsAre(1, 2, 3, 4));
    EXPECT_EQ(data->label_name, "kind");
  }
  options.label = "kimd";
  EXPECT_EQ(message(table(text, options)), "t.csv: no label column 'kimd'; did you mean 'kind'?");
  options.label = "3";
  EXPECT_EQ(message(table(text, options)), "t.csv: wanted a label column from -3 to 2, got 3");
  EXPECT_EQ(table(text, options).error().kind, Error::Kind::usage);
  options.label = "kind";
  EXPECT_EQ(message(table("1,2\n3,4\n", options)),
            "t.csv: no label column 'kind', the file has no header; try an index from 0 to 1");
}

TEST(Table, NumericLabelsSortAsNumbers) {
  const Result<Dataset> data = table("1,10\n1,9\n1,9.0\n1,-1\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->class_names, ElementsAre("-1", "9", "10"));
  EXPECT_THAT(data->labels, ElementsAre(2, 1, 1, 0));
}

TEST(Table, KnownClassesOnly) {
  DataOptions options;
  options.class_names = {"no", "yes"};
  EXPECT_THAT(table("1,yes\n2,no\n", options)->labels, ElementsAre(1, 0));
  EXPECT_EQ(message(table("1,yes\n2,maybe\n", options)), "t.csv:2:3: label 'maybe': wanted 'no' or 'yes'");
  options.class_names = {"0", "1"};
  EXPECT_THAT(table("5,1.0\n5,0\n", options)->labels, ElementsAre(1, 0));
}

TEST(Table, WrongFieldCountHasItsPlace) {
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,4\n")), "t.csv:3:4: wanted 3 fields as in line 1, got 2");
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,4,y,5\n")), "t.csv:3:7: wanted 3 fields as in line 1, got 4");
}

TEST(Table, AWordAmongNumbersHasItsPlace) {
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,oops,y\n4,5,x\n")),
            "t.csv:3:3: column 'b': wanted a number, got 'oops'; --set 'data.missing=[\"oops\"]' where it stands for no value");
  DataOptions whole;
  whole.missing_cells = false;
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,,y\n4,5,x\n", whole)), "t.csv:3:3: column 'b': wanted a number, got an empty cell");
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,1e39,y\n4,5,x\n")), "t.csv:3:3: column 'b': wanted a number, got '1e39'");
  EXPECT_EQ(message(table("a,c\n1,x\n3,\n")),
            "t.csv:3:3: column 'c': wanted a label, got an empty cell; try leaving such rows out");
}

TEST(Table, WordsBecomeSortedCategories) {
  const Result<Dataset> data = table("size,colour,buy\n1,red,y\n2,blue,n\n3,red,y\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->columns[1], (Column{"colour", {"blue", "red"}}));
  EXPECT_THAT(data->floats, ElementsAre(1, 1, 2, 0, 3, 1));
}

TEST(Table, AModelsColumnsAreFoundByNameOrPlace) {
  DataOptions options;
  options.columns = {{"size", {}}, {"colour", {"blue", "red"}}};
  options.label = "buy";
  options.labelled = false;
  const auto floats = [&](std::string_view text) {
    const Result<Dataset> data = table(text, options);
    EXPECT_TRUE(data.ok()) << message(data);
    return data.ok() ? data->floats : std::vector<float>();
  };
  EXPECT_THAT(floats("colour,extra,size\nred,9,4\ngreen,9,5\n"), ElementsAre(4, 1, 5, -1));
  EXPECT_THAT(floats("4,red\n"), ElementsAre(4, 1));
  EXPECT_THAT(floats("4,red,y\n"), ElementsAre(4, 1));
  EXPECT_THAT(floats("size,colour\n4,blue\n"), ElementsAre(4, 0));
  EXPECT_THAT(floats("buy,size,colour\ny,4,blue\n"), ElementsAre(4, 0));
  EXPECT_EQ(message(table("1\n", options)), "t.csv:1:1: wanted 2 fields (or 3 with a label), got 1");
  EXPECT_EQ(message(table("size,farbe\n4,red\n", options)), "t.csv:1:1: no column 'colour'; known: size, farbe");

  options.labelled = true;
  EXPECT_EQ(message(table("4,red\n", options)), "t.csv:1:1: wanted 3 fields with the label, got 2");
  const Result<Dataset> labelled = table("buy,size,colour\ny,4,blue\nn,3,red\n", options);
  ASSERT_TRUE(labelled.ok()) << message(labelled);
  EXPECT_THAT(labelled->labels, ElementsAre(1, 0));
  EXPECT_THAT(labelled->floats, ElementsAre(4, 0, 3, 1));
}

TEST(Table, RowsForAModelAreReadAsTheyAreMeantOrNotAtAll) {
  DataOptions options;
  options.columns = {{"alpha", {}}, {"beta", {}}, {"gamma", {}}};
  options.class_names = {"down", "up"};
  options.labelled = false;
  const auto floats = [&](std::string_view text) {
    const Result<Dataset> data = table(text, options);
    EXPECT_TRUE(data.ok()) << message(data);
    return data.ok() ? data->floats : std::vector<float>();
  };
  EXPECT_THAT(floats("1,2,3,up\n4,5,6,\n"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(floats("0,1,2\n3,4,5\n"), ElementsAre(0, 1, 2, 3, 4, 5));  // counting, and yet no header
  EXPECT_THAT(floats("gamma,beta,alpha,kind\n3,2,1,new\n"), ElementsAre(1, 2, 3));
  EXPECT_EQ(message(table("1,000,2,3\n", options)), "t.csv:1:9: label '3': wanted 'down' or 'up'");
  EXPECT_EQ(message(table("Gamma,Beta,Alpha\n3,2,1\n", options)), "t.csv:1:1: no column 'alpha'; did you mean 'Alpha'?");
  EXPECT_EQ(message(table("1,x,3\n", options)), "t.csv:1:3: column 'beta': wanted a number, got 'x'");
  options.columns = {{"colour", {"blue", "red"}}, {"size", {"big", "small"}}};
  EXPECT_THAT(floats("red,big\nblue,small\n"), ElementsAre(1, 0, 0, 1));  // no word comes again
  EXPECT_EQ(message(table("Colour,Size\nred,big\n", options)), "t.csv:1:1: no column 'colour'; did you mean 'Colour'?");
  options.columns = {{"0", {}}, {"1", {}}};  // of a table without names: any header will do
  EXPECT_THAT(floats("width,height\n3,4\n"), ElementsAre(3, 4));
}

TEST(Table, UnlabelledRowsAreAllInput) {
  DataOptions options;
  options.labelled = false;
  const Result<Dataset> data = table("1,2,3\n4,5,6\n", options);
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->shape, ElementsAre(3));
  EXPECT_TRUE(data->labels.empty());
}

TEST(Table, RowsOfPixelsBecomeImages) {
  DataOptions options;
  options.image_shape = {1, 2, 2};
  options.label = "0";
  const Result<Dataset> data = table("7,0,1,2,255\n8,3,4,5,6\n", options);
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->shape, ElementsAre(1, 2, 2));
  EXPECT_THAT(data->bytes, ElementsAre(0, 1, 2, 255, 3, 4, 5, 6));
  EXPECT_TRUE(data->floats.empty());
  EXPECT_THAT(table("7,0,1,2,0.5\n8,3,4,5,6\n", options)->floats, ElementsAre(0, 1, 2, 0.5F, 3, 4, 5, 6));
}

TEST(Table, TheLabelIsTheColumnCalledSo) {
  EXPECT_EQ(table("label,a,b\nx,1,2\ny,3,4\n")->label_name, "label");
  EXPECT_EQ(table("a,Class,b\n1,x,2\n3,y,4\n")->label_name, "Class");
  EXPECT_EQ(table("y,a,target\n1,2,u\n3,4,v\n")->label_name, "target");
  EXPECT_EQ(table("a,b,species\n1,2,x\n3,4,y\n")->label_name, "species");
}

TEST(Table, ANameTwiceIsRefused) {
  EXPECT_EQ(message(table("a,a,label\n1,2,x\n3,4,y\n")),
            "t.csv:1:1: wanted different names, got 'a' for columns 1 and 2; try renaming one");
}

TEST(Table, DialectsReadAlike) {
  const char* same[] = {"x;y;label\n1,5;-2,25;no\n2,5;3;yes\n",
                        "x;y;label\n1.5;-2.25;no\n2.5;3;yes\n",
                        "x\ty\tlabel\n1.5\t-2.25\tno\n2.5\t3\tyes\n",
                        "x|y|label\n1.5|-2.25|no\n2.5|3|yes\n",
                        "x y label\n1.5  -2.25 no\n2.5 3 yes\n",
                        "sep=;\nx;y;label\n1.5;-2.25;no\n2.5;3;yes\n",
                        "# x y label\n1.5 -2.25 no\n2.5 3 yes\n",
                        "x,y,label\r1.5,-2.25,no\r2.5,3,yes\r",
                        "# made by hand\nx,y,label\n1.5,-2.25,no\n2.5,3,yes\n",
                        "x,y,label\n\"1,5\",\"-2,25\",no\n\"2,5\",3,yes\n",
                        "'x','y','label'\n1.5,-2.25,'no'\n2.5,3,'yes'\n"};
  for (const char* text : same) {
    const Result<Dataset> data = table(text);
    ASSERT_TRUE(data.ok()) << text << message(data);
    EXPECT_THAT(data->floats, ElementsAre(1.5F, -2.25F, 2.5F, 3)) << text;
    EXPECT_THAT(data->class_names, ElementsAre("no", "yes")) << text;
    EXPECT_EQ(data->columns[0].name, "x") << text;
  }
  const Result<Dataset> bare = table("1,29;1,45;no\n2,07;-1,76;yes\n");
  ASSERT_TRUE(bare.ok()) << message(bare);
  EXPECT_THAT(bare->floats, ElementsAre(1.29F, 1.45F, 2.07F, -1.76F));
}

TEST(Table, ColoursAreNoComments) {
  const Result<Dataset> data = table("colour,n,label\n#ff0000,1,x\n#00ff00,2,y\n#ff0000,3,x\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->count, 3);
}

TEST(Table, Encodings) {
  const Result<Dataset> latin = table("x,city\n1,K\xf6ln\n2,M\xe1laga\n");
  ASSERT_TRUE(latin.ok()) << message(latin);
  EXPECT_THAT(latin->class_names, ElementsAre("Köln", "Málaga"));
  std::string wide = "\xff\xfe";
  for (const char c : std::string("x,label\n1,a\n2,b\n")) wide += {c, '\0'};
  EXPECT_THAT(table(wide)->class_names, ElementsAre("a", "b"));
}

TEST(Table, OtherFormatsAreNamed) {
  EXPECT_THAT(message(table("% c\n@relation t\n@attribute x numeric\n@data\n1\n")), HasSubstr("an ARFF file"));
  EXPECT_THAT(message(table("-1 1:1.29 2:1.45\n+1 1:2 2:3\n")), HasSubstr("a libsvm file"));
  EXPECT_THAT(message(table("PK\x03\x04rest")), HasSubstr("a ZIP archive"));
  EXPECT_THAT(message(table("\x80\x04\x95rest")), HasSubstr("a Python pickle"));
  EXPECT_THAT(message(table("<!DOCTYPE html><html>")), HasSubstr("a web page"));
}

TEST(Table, LabelsAreText) {
  EXPECT_THAT(table("1,01234\n2,1234\n3,02138\n")->class_names, ElementsAre("01234", "1234", "02138"));
  EXPECT_THAT(table("1,1.1\n2,1.10\n3,2e3\n")->class_names, ElementsAre("1.1", "1.10", "2e3"));
  EXPECT_THAT(table("1,9007199254740992\n2,9007199254740993\n")->class_names,
              ElementsAre("9007199254740992", "9007199254740993"));
}

TEST(Table, NumbersThatMeasureBecomeValues) {
  const Result<Dataset> fractions = table("a,price\n1,0.5\n2,0.25\n3,7\n");
  ASSERT_TRUE(fractions.ok()) << message(fractions);
  EXPECT_EQ(fractions->task, Task::values);
  EXPECT_THAT(fractions->targets, ElementsAre(0.5F, 0.25F, 7));
  EXPECT_THAT(fractions->target_names, ElementsAre("price"));
  EXPECT_TRUE(fractions->labels.empty());
  std::string many = "a,price\n";
  for (int i = 0; i < 60; ++i) many += "1," + std::to_string(100000 + 17 * i) + "\n";
  EXPECT_EQ(table(many)->task, Task::values);
  DataOptions classes;
  classes.task = Task::classes;
  EXPECT_EQ(table(many, classes)->class_names.size(), 60U);
}

TEST(Table, ALabelWithADecimalCommaIsANumber) {
  const Result<Dataset> data = table("a;price\n1;0,5\n2;10,25\n3;7,5\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->targets, ElementsAre(0.5F, 10.25F, 7.5F));
}

TEST(Table, NamesAreNoClasses) {
  std::string text = "a,name\n";
  for (int i = 0; i < 40; ++i) text += fmt::format("{},person {}\n", i, i);
  EXPECT_THAT(message(table(text)), HasSubstr("label 'name': wanted classes, got 40 different words in 40 rows"));
}

TEST(Table, SeveralTargets) {
  DataOptions options;
  options.labels = {"hot", "wet"};
  const Result<Dataset> labels = table("a,hot,wet\n1,0,1\n2,1,1\n", options);
  ASSERT_TRUE(labels.ok()) << message(labels);
  EXPECT_EQ(labels->task, Task::labels);
  EXPECT_THAT(labels->targets, ElementsAre(0, 1, 1, 1));
  EXPECT_EQ(table("a,hot,wet\n1,0.5,1\n2,1,1\n", options)->task, Task::values);
  options.task = Task::labels;
  EXPECT_THAT(message(table("a,hot,wet\n1,2,1\n2,1,1\n", options)), HasSubstr("wanted 0 or 1"));
}

TEST(Table, MissingCells) {
  for (const char* word : {"", "NA", "NaN", "null", "?", "-"}) {
    const Result<Dataset> data = table("a,b,label\n1,2,x\n3," + std::string(word) + ",y\n");
    ASSERT_TRUE(data.ok()) << message(data);
    EXPECT_TRUE(std::isnan(data->floats[3])) << word;
  }
  DataOptions options;
  options.missing = {"none"};
  EXPECT_TRUE(std::isnan(table("a,b,label\n1,2,x\n3,none,y\n", options)->floats[3]));
  // Mostly missing is still a column of numbers.
  EXPECT_TRUE(table("a,label\n1,x\nNA,y\nNA,x\nNA,y\n")->columns[0].categories.empty());
}

TEST(Table, WrittenNumbers) {
  EXPECT_THAT(table("x,label\n\"1,300\",a\n\"1,301\",b\n999,a\n")->floats, ElementsAre(1300, 1301, 999));
  EXPECT_THAT(table("x,label\n1 300,a\n12 345 678,b\n999,a\n")->floats, ElementsAre(1300, 12345678, 999));
  EXPECT_THAT(table("x,label\n1'300.5,a\n2,b\n")->floats, ElementsAre(1300.5F, 2));
  EXPECT_THAT(table("x;label\n1\u00a0300,5;a\n2,25;b\n")->floats, ElementsAre(1300.5F, 2.25F));
  EXPECT_THAT(message(table("x,label\n1 30,a\n1 301,b\n")), HasSubstr("wanted a number, got '1 30'"));
  EXPECT_THAT(table("x,label\n5%,a\n7.5%,b\n")->floats, ElementsAre(5, 7.5F));
  EXPECT_THAT(message(table("x,label\n5%,a\n7,b\n")), HasSubstr("1 with % and 1 without"));
  EXPECT_THAT(table("x,label\n1e-400,a\n1,b\n")->floats, ElementsAre(0, 1));
}

TEST(Table, ColumnsThatNumberTheRowsAreSaid) {
  std::string text = "nr,id,x,label\n";
  for (int i = 0; i < 20; ++i) text += fmt::format("{},{},{}.5,{}\n", i + 1, 1000 + 7 * i, i, i % 2 == 0 ? "a" : "b");
  EXPECT_THAT(
      table(text)->notes,
      ElementsAre("column 'nr' counts the rows; --set 'data.ignore=[\"nr\"]' leaves it out",
                  "column 'id' rises from row to row, as numbers of rows do; --set 'data.ignore=[\"id\"]' leaves it out"));
}

TEST(Table, ColumnsThatSayNothingAreLeftOut) {
  std::string text = ",name,empty,when,x,label\n";
  for (int i = 0; i < 20; ++i)
    text += fmt::format("{0},person {0},,2024-01-{1:02},{0}.5,{2}\n", i, i + 1, i % 2 == 0 ? "a" : "b");
  const Result<Dataset> data = table(text);
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->columns, (std::vector<Column>{{"x", {}}}));
  EXPECT_EQ(data->notes.size(), 4U);
  DataOptions dates;
  dates.dates = true;
  const Result<Dataset> dated = table(text, dates);
  ASSERT_TRUE(dated.ok()) << message(dated);
  EXPECT_EQ(dated->columns[2].name, "when.weekday");
  EXPECT_THAT(std::vector<float>(dated->floats.begin(), dated->floats.begin() + 5), ElementsAre(2024, 1, 0, 0, 0.5F))
      << "a Monday";
  DataOptions model;
  model.columns = dated->columns;
  model.labelled = false;
  EXPECT_EQ(table("x,when\n3,2024-02-29 12:30\n", model)->floats, (std::vector<float>{2024, 2, 3, 12.5F, 3}));
}

TEST(Table, AWordAmongNumbersIsSaid) {
  std::string fractions = "x,z,label\n", whole = fractions;
  for (int i = 0; i < 20; ++i) {
    fractions += fmt::format("{},1,{}\n", i % 3 == 0 ? fmt::format("{}.5", i) : "none", i % 2 == 0 ? "a" : "b");
    whole += fmt::format("{},1,{}\n", i % 3 == 0 ? fmt::format("{}", i) : "other", i % 2 == 0 ? "a" : "b");
  }
  EXPECT_THAT(message(table(fractions)), HasSubstr("column 'x': wanted a number, got 'none'; --set 'data.missing=[\"none\"]'"));
  EXPECT_THAT(table(whole)->notes, ElementsAre(HasSubstr("column 'x': 7 numbers among 13 words, read as words too")));
}

TEST(Table, WordsThatTrainingNeverShowedAreCounted) {
  DataOptions model;
  model.columns = {{"colour", {"blue", "red"}}, {"x", {}}};
  model.class_names = {"a", "b"};
  const Result<Dataset> data = table("colour,x,label\nred,1,a\nRed,2,b\nplum,3,a\n", model);
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->floats, ElementsAre(1, 1, -1, 2, -1, 3));
  EXPECT_THAT(data->notes, ElementsAre("column 'colour': 2 of 3 cells hold words that training never showed, such as 'Red'"));
}

TEST(Table, AColumnThatMayBeTheLabelIsSaid) {
  std::string text = "species,x,z\n", without;
  for (int i = 0; i < 20; ++i) without += fmt::format("{},{}.5,{}.25\n", i % 2 == 0 ? "pear" : "apple", i, 3 * i);
  text += without;
  EXPECT_THAT(table(text)->notes, testing::Contains("'z' is learned because it stands last; for classes say --label species"));
  EXPECT_THAT(table(without)->notes, testing::Contains("'2' is learned because it stands last; for classes say --label 0"));
  DataOptions named;
  named.label = "z";
  EXPECT_THAT(table(text, named)->notes, testing::Each(testing::Not(HasSubstr("stands last"))));
}

TEST(Table, NearTimestampsStayApart) {
  const Result<Dataset> data = table("t,label\n1700000000001,a\n1700000000002,b\n1700000000003,a\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_THAT(data->floats, ElementsAre(0, 1, 2));
  EXPECT_EQ(data->columns[0].origin, 1700000000001.0);
}

TEST(Table, PandasHeader) {
  const Result<Dataset> data = table("0,1,2\n5.5,2,x\n6.5,3,y\n");
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->count, 2);
  EXPECT_EQ(table("0,1,2\n5,2,7\n6,3,7\n7,3,8\n")->count, 3);
}

}  // namespace
}  // namespace soma
