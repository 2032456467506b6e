// NPZ archives and arrays of every layout, right and wrong → data sets, parts of them, and errors.
#include "data/npz.h"

#include <rapidcheck.h>

#include "data/arrays.h"
#include "data/npy_bytes.h"
#include "data/scratch.h"
#include "data/zip.h"
#include "soma/train.h"

namespace soma {
namespace {

using test::message;
using test::npy;
using test::Scratch;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

using Members = std::vector<std::pair<std::string, std::string>>;

std::string bytes_of(const std::string& shape, std::vector<std::uint8_t> values) { return npy("|u1", shape, values); }
std::string labels_of(std::vector<std::int64_t> labels) { return npy("<i8", "(" + std::to_string(labels.size()) + ",)", labels); }

Members keras() {
  return {{"x_train.npy", bytes_of("(3, 1, 2)", {1, 2, 3, 4, 5, 6})},
          {"y_train.npy", labels_of({1, 0, 1})},
          {"x_test.npy", bytes_of("(1, 1, 2)", {7, 8})},
          {"y_test.npy", labels_of({1})}};
}

TEST(Npz, KerasArchivesStoredOrDeflated) {
  const Scratch scratch;
  for (const bool deflated : {false, true})
    for (const bool wide : {false, true}) {
      const std::string file = scratch.write("mnist.npz", test::zip(keras(), deflated, wide)).string();
      const Result<Dataset> train = load_dataset(file);
      ASSERT_TRUE(train.ok()) << message(train);
      EXPECT_THAT(train->bytes, ElementsAre(1, 2, 3, 4, 5, 6));
      EXPECT_THAT(train->labels, ElementsAre(1, 0, 1));
      EXPECT_THAT(train->notes, ElementsAre("read: x_train and y_train; beside them in the archive: x_test, y_test"));
      EXPECT_EQ(*test_part_of(file), file + ":test");
      EXPECT_THAT(load_dataset(file + ":test")->bytes, ElementsAre(7, 8));
    }
}

TEST(Npz, ATrainingRunMeasuresOnTheTestPart) {
  const Scratch scratch;
  Config config;
  config.data.train = scratch.write("mnist.npz", test::zip(keras())).string();
  const Result<RunData> data = load_run_data(config);
  ASSERT_TRUE(data.ok()) << message(data);
  EXPECT_EQ(data->train.count, 3);
  EXPECT_THAT(data->test.bytes, ElementsAre(7, 8));
  EXPECT_THAT(data->test.labels, ElementsAre(1)) << "the only label of its part is class 1 all the same";
}

TEST(Npz, OtherWaysOfNamingThem) {
  const Scratch scratch;
  const std::string samples = bytes_of("(2, 1, 2)", {1, 2, 3, 4}), labels = labels_of({0, 1});
  for (const auto& [x, y] : {std::pair("X", "y"),
                             {"data", "target"},
                             {"train_images", "train_labels"},
                             {"arr_0", "arr_1"},
                             {"Xtrain", "ytrain"},
                             {"images", "labels"}}) {
    const auto file = scratch.write("a.npz", test::zip({{std::string(x) + ".npy", samples}, {std::string(y) + ".npy", labels}}));
    const Result<Dataset> set = load_dataset(file.string());
    ASSERT_TRUE(set.ok()) << x << message(set);
    EXPECT_THAT(set->bytes, ElementsAre(1, 2, 3, 4)) << x;
    EXPECT_THAT(set->labels, ElementsAre(0, 1)) << x;
  }
  const auto file = scratch.write("a.npz", test::zip({{"weights.npy", samples}, {"bias.npy", labels}})).string();
  EXPECT_EQ(message(load_dataset(file)),
            file +
                ": wanted arrays called x and y (or images and labels, data and target), got weights, bias; "
                "try numpy.savez(FILE, x=…, y=…)");
  EXPECT_THAT(message(load_dataset(file + ":test")), HasSubstr("wanted arrays called x_test and y_test"));
  const std::string alone = scratch.write("b.npz", test::zip({{"x.npy", samples}})).string();
  EXPECT_THAT(message(load_dataset(alone)), HasSubstr("got x;"));
  DataOptions back;
  back.task = Task::reconstruct;
  EXPECT_EQ(load_dataset(alone, back)->task, Task::reconstruct);
}

TEST(Npz, DamageIsNamed) {
  const Scratch scratch;
  const std::string whole = test::zip(keras(), true);
  const auto error = [&](const std::string& bytes) { return message(load_dataset(scratch.write("a.npz", bytes).string())); };
  EXPECT_THAT(error(whole.substr(0, whole.size() - 30)),
              EndsWith("the ZIP archive is cut short; try to download or write it again"));
  std::string other = whole;
  other[whole.find("x_train.npy") + 20] ^= 1;
  EXPECT_THAT(error(other), EndsWith("the ZIP archive is damaged; try to download or write it again"));
  other = whole;
  const std::size_t entry = whole.find("PK\x01\x02");
  other[entry + 10] = 12;
  EXPECT_THAT(error(other), HasSubstr("'x_train.npy': wanted a member stored or deflated, got method 12"));
  other = whole;
  other[entry + 8] = 1;
  EXPECT_THAT(error(other), HasSubstr("got an encrypted one"));
}

TEST(Npz, MutatedArchivesAreReadOrRefused) {
  const std::string whole = test::zip({{"x.npy", bytes_of("(2, 2)", {1, 2, 3, 4})}, {"y.npy", labels_of({0, 1})}}, true);
  EXPECT_TRUE(rc::check([&] {
    std::string bytes = whole;
    for (int i = *rc::gen::inRange(1, 4); i > 0; --i)
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    const Result<Dataset> set = load_npz("x", bytes, {});
    RC_ASSERT((set.ok() || set.error().message.starts_with("x: ")));
  }));
}

TEST(Arrays, ChannelsFirstIsSeenFromTheShapeAndSaid) {
  const auto read = [](const std::string& shape, std::vector<std::uint8_t> values, const DataOptions& options = {}) {
    return dataset_of(*parse_npy(bytes_of(shape, std::move(values)), "x"), "x", options);
  };
  std::vector<std::uint8_t> pixels(3 * 5 * 5);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i);
  const Result<Dataset> first = read("(1, 3, 5, 5)", pixels);
  ASSERT_TRUE(first.ok()) << message(first);
  EXPECT_THAT(first->shape, ElementsAre(3, 5, 5));
  EXPECT_EQ((std::vector<std::uint8_t>(first->bytes.begin(), first->bytes.begin() + 6)),
            (std::vector<std::uint8_t>{0, 25, 50, 1, 26, 51}));
  EXPECT_THAT(
      first->notes,
      ElementsAre("read with channels first: 3 channels, 5 high, 5 wide; for channels last say --set network.input=[5,3,5]"));
  EXPECT_THAT(read("(3, 1, 5, 5)", pixels)->shape, ElementsAre(1, 5, 5));
  EXPECT_EQ(read("(3, 1, 5, 5)", pixels)->bytes, pixels);
  EXPECT_THAT(read("(1, 5, 5, 3)", pixels)->shape, ElementsAre(3, 5, 5));
  EXPECT_TRUE(read("(1, 5, 5, 3)", pixels)->notes.empty());
  EXPECT_EQ(read("(1, 5, 5, 3)", pixels)->bytes, pixels);

  DataOptions last;
  last.row_shape = {5, 3, 5};
  EXPECT_THAT(read("(1, 3, 5, 5)", pixels, last)->shape, ElementsAre(5, 3, 5));
  EXPECT_EQ(read("(1, 3, 5, 5)", pixels, last)->bytes, pixels);
  EXPECT_EQ(
      message(read("(1, 1, 15, 5)", pixels)),
      "x: wanted to know which axis holds channels, got 1×1×15×5; try --set network.input=[1,15,5] (they come first) or --set "
      "network.input=[5,1,15]");
  DataOptions model;
  model.image_shape = {3, 5, 5};
  EXPECT_EQ(npy_samples(bytes_of("(3, 5, 5)", pixels), "x", model)->bytes, first->bytes);
  EXPECT_EQ(npy_samples(bytes_of("(1, 3, 5, 5)", pixels), "x", model)->bytes, first->bytes);
}

TEST(Arrays, SignalsAreImagesOneHighWhereTheNetworkWantsThem) {
  const std::string array = npy<float>("<f4", "(1, 2, 8)", {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17});
  DataOptions signals;
  signals.row_shape = {2, 1, 8};
  const Result<Dataset> set = dataset_of(*parse_npy(array, "x"), "x", signals);
  EXPECT_THAT(set->shape, ElementsAre(2, 1, 8));
  EXPECT_THAT(set->floats, ElementsAre(0, 10, 1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 6, 16, 7, 17));
  signals.row_shape = {8, 1, 2};
  EXPECT_THAT(dataset_of(*parse_npy(array, "x"), "x", signals)->floats[1], 1) << "channels last, as they lie";
  const Result<Dataset> pictures = dataset_of(*parse_npy(array, "x"), "x", {});
  EXPECT_THAT(pictures->shape, ElementsAre(1, 2, 8));
  EXPECT_THAT(pictures->notes,
              ElementsAre("read as pictures 2 high and 8 wide; for 2 channels of 8 readings say --set network.input=[2,1,8]"));
  DataOptions model;
  model.image_shape = {2, 1, 8};
  EXPECT_EQ(npy_samples(npy<float>("<f4", "(2, 8)", std::vector<float>(16)), "x", model)->count, 1) << "one signal alone";
}

}  // namespace
}  // namespace soma
