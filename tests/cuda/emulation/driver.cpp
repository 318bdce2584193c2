// Builds one kernel into a program: driver INPUT OUTPUT.
//
// KERNEL_FILE and KERNEL name the .cu file and its symbol; DYNAMIC_SHARED, where set, declares what
// the kernel calls `extern __shared__`.
#include "cuda_emulation.h"
#include KERNEL_FILE
#include "runtime.h"

#include <utility>

namespace {

// H100's limit less the kernel's own; the runtime makes the launch's share of it accessible.
constexpr size_t MOST_SHARED = 227 * 1024;

template <class... Parameters, size_t... Numbers>
void call(void (*kernel)(Parameters...), const emulation::Arguments& arguments,
          std::index_sequence<Numbers...>) {
    kernel(*static_cast<std::remove_reference_t<Parameters>*>(arguments.at(Numbers))...);
}

template <class... Parameters>
void call(void (*kernel)(Parameters...), const emulation::Arguments& arguments) {
    call(kernel, arguments, std::index_sequence_for<Parameters...>());
}

}  // namespace

#ifdef DYNAMIC_SHARED
alignas(128) thread_local DYNAMIC_SHARED[MOST_SHARED / 16];
#endif

int main(int argc, char** argv) {
    emulation::DynamicShared dynamic = {nullptr, 0};
#ifdef DYNAMIC_SHARED
    dynamic = {shared, MOST_SHARED};
#endif
    const auto kernel = [](const emulation::Arguments& arguments) { call(&KERNEL, arguments); };
    return emulation::run_file(argc, argv, kernel, dynamic);
}
