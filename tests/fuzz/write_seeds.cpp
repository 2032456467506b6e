// a directory → one small valid file for each fuzzer to start from, written by soma itself where soma writes that kind.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "batchfile/persistence.h"
#include "core/file.h"
#include "data/npy_bytes.h"
#include "serve/body_cases.h"
#include "serve/http_cases.h"
#include "serve/infer_cases.h"
#include "soma/soma.h"

namespace {

using std::string_view_literals::operator""sv;

// The first byte says how the table is to be read: 0 as it stands.
constexpr std::string_view kCsv = "\0length,\"colour, named\",species\n5.1,red,setosa\n4.9,\"blue\",virginica\n"sv;
constexpr std::string_view kNpy =
    "\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }          \n"
    "\x00\x00\x80\x3f\x00\x00\x00\x40"sv;
constexpr std::string_view kGzip =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7\x02\x00\x20\x30\x3a\x36\x06\x00\x00\x00"sv;

// The first byte of a request says how many bytes arrive at a time; 0 is a gzip body, 1 a deflated one.
constexpr std::string_view kPost = "\x07POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nabcd"sv;
constexpr std::string_view kChunked =
    "\xffPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAccept-Encoding: gzip;q=0, deflate\r\n\r\n4;a=b\r\nabcd\r\n0\r\nT: x\r\n\r\n"sv;
// The first byte of an inference request is the length of its JSON, 255 for all of it.
constexpr std::string_view kInferJson =
    "\xff{\"id\":\"1\",\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,2,2],\"datatype\":\"FP32\",\"data\":[[[[0,1.5],[-2,3e1]]]]}"
    "],"
    "\"outputs\":[{\"name\":\"output\",\"parameters\":{\"classification\":1,\"binary_data\":true}}]}"sv;
constexpr std::string_view kInferBinary =
    "\x62{\"inputs\":[{\"name\":\"input\",\"shape\":[1,4],\"datatype\":\"UINT8\",\"parameters\":{\"binary_data_size\":4}}]}abcd"sv;
constexpr std::string_view kInferRaw = "\x00\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\xc0\x7f"sv;

// The first byte says what it is: a batch file, a network, a persistence file, a result file.
constexpr std::string_view kBatch =
    "\0NetworkFile: net\nTrainFile: data\nPreProcessing: Proportional\nParallel: 2\nWorkerBatch: 10\nLearningRate: 0.8\nLambda: "
    "1e-7\n"
    "MinWeight: -0.1\nMaxWeight: 0.1\nResultFile: results\nPersistenceFile: weights\n\nTrain: 2\nTestFile: data\nTest: 1\n"sv;
constexpr std::string_view kNetwork = "\x01Identity, 2\nELU, 3\nSoftMax, 2\n"sv;
constexpr std::string_view kResults = "\x03Mode;CPUs\ntrain;2\ntest;"sv;

void write(const std::filesystem::path& file, std::string_view contents) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << contents;
}

soma::Model small_model() {
  soma::Model model;
  model.name = "seed";
  model.input = {1, 6, 6};
  model.preprocess.steps = {{.kind = soma::PreprocessKind::divide, .offset = {0}, .divisor = {255}}};
  model.network.input = model.input;
  model.network.nodes = {{.name = "conv", .layer = soma::Conv2d{.out = 2, .kernel_h = 3, .kernel_w = 3}},
                         {.name = "relu", .layer = soma::Activation{soma::Activation::Kind::relu}},
                         {.name = "pool", .layer = soma::Pool{}},
                         {.name = "flat", .layer = soma::Flatten{}},
                         {.name = "out", .layer = soma::Linear{.out = 2}}};
  model.network = soma::resolve(model.network).value().spec;
  model.parameters = soma::Network::create(model.network).value().parameters();
  model.class_names = {"a", "b"};
  return model;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return std::cerr << "usage: write_seeds DIR PICTURE\n", 2;
  const std::filesystem::path place = argv[1];
  write(place / "csv/table.csv", kCsv);
  write(place / "npy/array.npy", kNpy);
  for (const bool deflated : {false, true})
    write(place / (deflated ? "npz/deflated.npz" : "npz/stored.npz"),
          soma::test::zip({{"x.npy", std::string(kNpy)}, {"y.npy", std::string(kNpy)}}, deflated));
  write(place / "gzip/hello.gz", kGzip);
  write(place / "http/post", kPost);
  write(place / "http/chunked", kChunked);
  write(place / "http/gzip", std::string(1, '\0') + std::string(kGzip));
  write(place / "batch/batch", kBatch);
  write(place / "batch/network", kNetwork);
  write(place / "batch/results", kResults);
  const soma::Trained trained = {
      {{soma::BatchLayer::Kind::identity, 1}, {soma::BatchLayer::Kind::elu, 1}}, std::vector<double>(16, 0.5), 1, 2, 3};
  soma::write_persistence(trained, {}, place / "batch/weights").value();
  write(place / "batch/weights", "\x02" + soma::read_file(place / "batch/weights").value());
  write(place / "infer/json", kInferJson);
  write(place / "infer/binary", kInferBinary);
  write(place / "infer/raw", kInferRaw);
  for (const soma::test::HttpCase& each : soma::test::http_cases()) write(place / "http" / each.name, "\xff" + each.bytes);
  for (const soma::test::InferCase& each : soma::test::infer_cases())
    if (each.fields.empty()) write(place / "infer" / each.name, "\xff" + each.body);
  // The first byte of a body says for which model it is; its type ends the first line.
  for (const soma::test::BodyCase& each : soma::test::body_cases()) {
    const std::string type =
        each.fields.empty() ? ""
                            : each.fields.substr(each.fields.find(' ') + 1, each.fields.find('\r') - each.fields.find(' ') - 1);
    write(place / "plain" / each.name, (each.served == soma::test::Served::picture ? '\0' : '\2') + type + "\n" + each.body);
  }
  for (const char model : {'\3', '\4'}) {
    const std::string first(1, model), place_of = "plain/words-" + std::to_string(model);
    write(place / (place_of + "-csv"), first + "text/csv; charset=utf-8\nseason,temp,when\nspring,5,2024-03-31\n,,\n");
    write(place / (place_of + "-json"), first + R"(application/json
[{"season":"spring","temp":5e0,"when":"31.03.2024"},{"season":null}])");
    write(place / (place_of + "-form"),
          first + "multipart/form-data; boundary=\"x\"\n--x\r\nContent-Disposition: form-data; name=\"season\"\r\n\r\n" +
              "spring\r\n--x\r\nContent-Disposition: form-data; name=\"temp\"\r\n\r\n5\r\n--x--\r\n");
  }
  for (const auto& name : soma::preset_names()) write(place / "config" / name, soma::to_toml(soma::preset(name).value()));
  for (const auto* kind : {"idx", "safetensors", "onnx", "image"}) std::filesystem::create_directories(place / kind);
  std::filesystem::copy_file(argv[2], place / "image/picture.png", std::filesystem::copy_options::overwrite_existing);
  soma::write_idx(soma::make_digits(2, 1), place / "idx/images", place / "idx/labels").value();
  const soma::Model model = small_model();
  soma::write_onnx(model, place / "onnx/model.onnx").value();
  soma::write_safetensors({.tensors = model.parameters, .metadata = {{"format", "pt"}}}, place / "safetensors/file").value();
  return 0;
} catch (const std::exception& error) {
  std::cerr << "write_seeds: " << error.what() << '\n';
  return 1;
}
