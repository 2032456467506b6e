// CSV text → Dataset: headers, labels, words; every wrong cell by its place.
#include "data/table.h"

#include "data/scratch.h"

namespace soma {
namespace {

using test::message;
using testing::ElementsAre;
using testing::HasSubstr;

Result<Dataset> table(std::string_view text, const DataOptions& options = {}) { return parse_table(text, "t.csv", options); }

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
  EXPECT_EQ(message(table("1,0.5\n1,0.25\n1,7\n")),
            "t.csv: label column '1': wanted classes, got measurements such as 0.25; try another label column");
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
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,oops,y\n4,5,x\n")), "t.csv:3:3: column 'b': wanted a number, got 'oops'");
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,,y\n4,5,x\n")), "t.csv:3:3: column 'b': wanted a number, got an empty cell");
  EXPECT_EQ(message(table("a,b,c\n1,2,x\n3,1e39,y\n4,5,x\n")), "t.csv:3:3: column 'b': wanted a number, got '1e39'");
  EXPECT_EQ(message(table("a,c\n1,x\n3,\n")), "t.csv:3:3: wanted a label, got an empty cell");
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

}  // namespace
}  // namespace soma
