// the installed library → a trained network, a model file and its accuracy: what an embedder writes in a dozen lines.
#include <soma/soma.h>

#include <iostream>

int main() {
  auto config = soma::preset("mnist-mlp").value();
  config.data.train = "digits";
  config.data.test = "digits:test";
  config.data.limit = 4000;
  config.train.epochs = 3;
  const auto report = soma::train(config, "digits-run");
  if (!report) return std::cerr << report.error().message << '\n', 1;

  const auto model = soma::read_onnx("digits-run/model.onnx").value();
  auto predictor = soma::Predictor::create(model).value();
  const auto measured = predictor.evaluate(soma::make_digits(1000, 7)).value();
  std::cout << "accuracy " << measured.accuracy << " on " << measured.samples << " digits\n";
  return measured.accuracy > 0.8 ? 0 : 1;
}
