// the built-in digits → a trained model.onnx, and what it says of one new digit: the main job in one sitting.
#include <cstdint>
#include <iostream>

#include "soma/soma.h"

namespace {

// A 28×28 image as characters: enough to see what the network saw.
void show(const soma::Dataset& images) {
  for (std::size_t y = 0; y < 28; y += 2) {
    for (std::size_t x = 0; x < 28; ++x) std::cout << " .:*#"[images.bytes[y * 28 + x] / 52];
    std::cout << '\n';
  }
}

}  // namespace

int main() {
  // A preset is a Config; everything in it may be changed before training.
  soma::Config config = soma::preset("mnist-mlp").value();
  config.data.train = "digits";
  config.data.test = "digits:test";
  config.data.limit = 5000;
  config.train.epochs = 3;

  soma::TrainHooks hooks;
  hooks.on_epoch = [](const soma::EpochRecord& epoch) {
    std::cout << "epoch " << epoch.epoch << "  loss " << epoch.loss << "  accuracy " << epoch.accuracy << '\n';
  };

  // Whatever the world can do wrong comes back as an Error with one line to show.
  const soma::Result<soma::TrainReport> report = soma::train(config, "train_digits_out", hooks);
  if (!report) {
    std::cerr << report.error().message << '\n';
    return 1;
  }

  // The model on disk holds preprocessing and class names: it takes raw bytes and answers with names.
  const soma::Model model = soma::read_onnx("train_digits_out/model.onnx").value();
  soma::Predictor predictor = soma::Predictor::create(model).value();
  const soma::Dataset fresh = soma::make_digits(1, 2024);
  const soma::Prediction answer = predictor.predict(fresh).value().front();
  const auto label = static_cast<std::size_t>(answer.label);

  show(fresh);
  std::cout << "looks like " << model.class_names[label] << ", probability " << answer.probabilities[label] << '\n';
  return answer.label == fresh.labels[0] ? 0 : 1;
}
