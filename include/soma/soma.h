// the whole public interface → one include.
#pragma once

#include "soma/batchfile.h"      // IWYU pragma: export
#include "soma/classify.h"       // IWYU pragma: export
#include "soma/config.h"         // IWYU pragma: export
#include "soma/dataset.h"        // IWYU pragma: export
#include "soma/device.h"         // IWYU pragma: export
#include "soma/error.h"          // IWYU pragma: export
#include "soma/file.h"           // IWYU pragma: export
#include "soma/graph.h"          // IWYU pragma: export
#include "soma/kernel.h"         // IWYU pragma: export
#include "soma/lab.h"            // IWYU pragma: export
#include "soma/model.h"          // IWYU pragma: export
#include "soma/network.h"        // IWYU pragma: export
#include "soma/reading.h"        // IWYU pragma: export
#include "soma/report.h"         // IWYU pragma: export
#include "soma/run_directory.h"  // IWYU pragma: export
#include "soma/serve.h"          // IWYU pragma: export
#include "soma/tensor.h"         // IWYU pragma: export
#include "soma/train.h"          // IWYU pragma: export
#include "soma/words.h"          // IWYU pragma: export
