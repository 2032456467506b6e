// names and environment → places; wrong names → what was probably meant.
#include "data/names.h"

#include "data/scratch.h"

namespace soma {
namespace {

using test::Environment;
using test::idx;
using test::message;
using test::Scratch;
using testing::ElementsAre;
using testing::HasSubstr;

void write_mnist(const Scratch& scratch, const std::string& folder, char label) {
  for (const std::string split : {"train", "t10k"}) {
    scratch.write(folder + "/" + split + "-images-idx3-ubyte", idx({1, 1, 1}, split.substr(0, 1)));
    scratch.write(folder + "/" + split + "-labels-idx1-ubyte", idx({1}, std::string(1, label)));
  }
}

TEST(Names, DirectoriesAreSearchedInOrder) {
  const Environment data("SOMA_DATA", "/a::/b"), home("HOME", "/h");
  EXPECT_THAT(data_directories(), ElementsAre("/a", "/b", "/h/.cache/soma", "/usr/share"));
  EXPECT_EQ(places_for("mnist"), "/a/mnist, /b/mnist, /h/.cache/soma/mnist, /usr/share/mnist");
  EXPECT_EQ(download_directory(), "/h/.cache/soma");
  const Scratch scratch;
  const Environment writable("SOMA_DATA", ("/a:" + scratch.path().string()).c_str());
  EXPECT_EQ(download_directory(), scratch.path());
}

TEST(Names, MnistIsFoundInTheFirstPlaceThatHasAllOfIt) {
  const Scratch first, second;
  first.write("mnist/train-images-idx3-ubyte", "alone");
  write_mnist(second, "mnist", 4);
  const Environment data("SOMA_DATA", (first.path().string() + ":" + second.path().string()).c_str());
  ASSERT_TRUE(find_dataset("mnist:test").value().has_value());
  EXPECT_EQ(find_dataset("mnist").value(), second.path() / "mnist");
  EXPECT_THAT(load_dataset("mnist")->bytes, ElementsAre('t'));
  EXPECT_EQ(load_dataset("mnist:test")->name, "mnist");
  EXPECT_EQ(load_dataset("mnist:test")->class_names.size(), 10U);
  EXPECT_THAT(message(load_dataset("mnist:validation")),
              HasSubstr("mnist: no split 'validation'; try mnist:train or mnist:test"));
}

TEST(Names, FashionHasItsOwnClassNames) {
  const Scratch scratch;
  write_mnist(scratch, "dataset-fashion-mnist", 9);
  const Environment data("SOMA_DATA", scratch.path().c_str());
  const Result<Dataset> fashion = load_dataset("fashion-mnist:train");
  ASSERT_TRUE(fashion.ok()) << message(fashion);
  EXPECT_EQ(fashion->class_names[9], "Ankle boot");
}

TEST(Names, IrisIsACsv) {
  const Scratch scratch;
  scratch.write("iris/iris.csv", "a,b,species\n1,2,x\n3,4,y\n");
  const Environment data("SOMA_DATA", scratch.path().c_str());
  const Result<Dataset> iris = load_dataset("iris");
  ASSERT_TRUE(iris.ok()) << message(iris);
  EXPECT_EQ(iris->name, "iris");
  EXPECT_EQ(iris->label_name, "species");
  EXPECT_THAT(message(load_dataset("iris:test")), HasSubstr("iris: no split 'test'; it has none"));
}

TEST(Names, WhatIsMissingSaysWhereItWasLookedFor) {
  const Environment data("SOMA_DATA", "/nowhere"), home("HOME", "/h");
  EXPECT_EQ(message(load_dataset("mnist")),
            "mnist: not on this machine, looked in /nowhere/mnist, /h/.cache/soma/mnist, /usr/share/mnist; try soma data fetch "
            "mnist, or put its files into one of these");
  EXPECT_EQ(find_dataset("mnist").value(), std::nullopt);
  EXPECT_EQ(message(load_dataset("mnis")), "data set 'mnis': no such name, file or directory; did you mean 'mnist'?");
  EXPECT_EQ(load_dataset("mnis").error().kind, Error::Kind::usage);
  EXPECT_THAT(message(load_dataset("/no/such.csv")),
              HasSubstr("data set '/no/such.csv': no such name, file or directory; known: mnist"));
}

}  // namespace
}  // namespace soma
