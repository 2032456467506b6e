// a mirror on this machine → files checked and in place; no mirror, no curl, wrong bytes → one line and nothing left behind.
#include "data/fetch.h"

#include <filesystem>

#include "core/sha256.h"
#include "data/scratch.h"

namespace soma {
namespace {

using test::Environment;
using test::message;
using test::Scratch;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// FIPS 180-4 examples, as NIST publishes them (CSRC, "SHA-256").
TEST(Sha256, PublishedExamples) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256(std::string(64, '\0')), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

std::size_t files_in(const std::filesystem::path& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) count += entry.is_regular_file() ? 1 : 0;
  return count;
}

TEST(Fetch, WrongBytesAreNotKept) {
  const Scratch mirror, target;
  mirror.write("iris.csv", "a,b\n1,2\n");
  const Environment data("SOMA_DATA", target.path().c_str()), from("SOMA_MIRROR", ("file://" + mirror.path().string()).c_str());
  std::vector<std::string> steps;
  const auto fetched = fetch_dataset("iris", [&](std::string_view step) { steps.emplace_back(step); });
  EXPECT_THAT(message(fetched),
              AllOf(StartsWith("iris: could not fetch iris.csv: file://"), HasSubstr("wanted SHA-256 9cc1c345c71b…, got"),
                    EndsWith("try to put its files into " + (target.path() / "iris").string())));
  EXPECT_EQ(files_in(target.path()), 0U);
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_THAT(steps[0], StartsWith("fetching file://"));
}

TEST(Fetch, AMirrorThatIsNotThereNamesTheDirectory) {
  const Scratch target;
  const Environment data("SOMA_DATA", target.path().c_str()), from("SOMA_MIRROR", "file:///no/such/mirror");
  EXPECT_THAT(message(fetch_dataset("mnist")),
              AllOf(StartsWith("mnist: could not fetch train-images-idx3-ubyte.gz: curl: "),
                    EndsWith("; try to put its files into " + (target.path() / "mnist").string())));
  EXPECT_EQ(files_in(target.path()), 0U);
}

TEST(Fetch, WithoutCurlItSaysSo) {
  const Scratch target;
  const Environment data("SOMA_DATA", target.path().c_str()), path("PATH", target.path().c_str());
  EXPECT_THAT(message(fetch_dataset("mnist")), HasSubstr("wanted the program curl, got none; try apt install curl"));
}

TEST(Fetch, WhatIsThereAlreadyIsKept) {
  const Scratch mirror, target;
  const std::string rows = "a,b,kind\n1,2,x\n3,4,y\n", sum = sha256(rows);
  const std::string from = "file://" + mirror.write("rows.csv", rows).parent_path().string();
  const RemoteSet set = {"made-up", {"file:///no/such/mirror", from}, {{"rows.csv", sum}}};
  const Environment data("SOMA_DATA", target.path().c_str());
  std::vector<std::string> steps;
  for (int round = 0; round < 2; ++round) {
    const auto fetched = fetch(set, [&](std::string_view step) { steps.emplace_back(step); });
    ASSERT_TRUE(fetched.ok()) << message(fetched);
    EXPECT_EQ(*fetched, target.path() / "made-up");
  }
  EXPECT_THAT(steps, testing::ElementsAre("fetching file:///no/such/mirror/rows.csv", "fetching " + from + "/rows.csv",
                                          EndsWith("made-up is in " + (target.path() / "made-up").string()),
                                          EndsWith("rows.csv is there already"), testing::_));
  EXPECT_EQ(files_in(target.path()), 1U);
  EXPECT_EQ(load_dataset((target.path() / "made-up/rows.csv").string())->count, 2);
}

TEST(Fetch, EverySetThatIsSaidToBeFetchedIsAskedFor) {
  const Scratch target;
  const Environment data("SOMA_DATA", target.path().c_str()), from("SOMA_MIRROR", "file:///no/such/mirror");
  for (const char* name : {"mnist", "fashion-mnist", "iris"})
    EXPECT_THAT(message(fetch_dataset(name)), HasSubstr("could not fetch")) << name;
}

TEST(Fetch, NamesWithoutADownload) {
  EXPECT_EQ(message(fetch_dataset("digits")), "digits: built in, there is nothing to fetch");
  EXPECT_EQ(message(fetch_dataset("imagenet")), "fetch: no data set 'imagenet'; known: mnist, fashion-mnist, iris");
}

}  // namespace
}  // namespace soma
