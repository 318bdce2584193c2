// How driver.cpp hands a kernel to the runtime.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

namespace emulation {

// One argument of a launch as its bytes lie in memory: a value, or a pointer to a buffer.
using Arguments = std::vector<void*>;

// The memory that `extern __shared__` names.
struct DynamicShared {
    void* memory;
    size_t num_bytes;
};

// Run the launches that argv[1] holds and write all buffers to argv[2].
int run_file(int argc, char** argv, std::function<void(const Arguments&)> kernel,
             DynamicShared dynamic);

}  // namespace emulation
