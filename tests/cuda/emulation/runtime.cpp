// Fibres for the threads of a block, in an order of choice, and the file of launches.
//
// Built without ThreadSanitizer's instrumentation, so that only what kernels themselves read and
// write is watched. Switching fibres orders nothing; barriers do. That makes it a race detector: two
// threads that touch the same word without a barrier between are reported in any order of running.
#include "cuda_emulation.h"
#include "runtime.h"

#include <cstdio>
#include <link.h>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef EMULATE_UNDER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef EMULATE_UNDER_TSAN
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned);
void __tsan_switch_to_fiber(void*, unsigned);
void __tsan_acquire(void*);
void __tsan_release(void*);
}
#endif

namespace emulation {

uint3 thread_index, block_index, block_size, grid_size;

namespace {

constexpr unsigned WARP = 32;
constexpr size_t STACK_BYTES = 256 * 1024;
constexpr int BLACK = 0xA5;  // what unwritten shared memory holds

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "emulation: %s\n", message.c_str());
    std::_Exit(3);
}

void acquire([[maybe_unused]] void* tag) {
#ifdef EMULATE_UNDER_TSAN
    __tsan_acquire(tag);
#endif
}

void release([[maybe_unused]] void* tag) {
#ifdef EMULATE_UNDER_TSAN
    __tsan_release(tag);
#endif
}

// A stack and what runs on it.
struct Fibre {
    ucontext_t context = {};  // where it starts
    void* place[5] = {};      // where it goes on; __builtin_setjmp asks for five words
    bool started = false;
    void* stack = nullptr;  // none for the scheduler, which keeps the program's own
    const void* stack_bottom = nullptr;
    size_t stack_bytes = 0;
    void* fake_stack = nullptr;
    void* tsan = nullptr;

    void make(void (*body)()) {
        stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) fail("no memory for a stack");
        stack_bottom = stack;
        stack_bytes = STACK_BYTES;
        getcontext(&context);
        context.uc_stack.ss_sp = stack;
        context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&context, body, 0);
#ifdef EMULATE_UNDER_TSAN
        tsan = __tsan_create_fiber(0);
#endif
    }
};

[[noreturn, gnu::noinline]] void go_on(Fibre& fibre) {
    if (fibre.started) __builtin_longjmp(fibre.place, 1);
    fibre.started = true;
    setcontext(&fibre.context);
    fail("a fibre does not start");
}

// Ten times as fast as swapcontext, which calls the kernel for the signal mask.
[[gnu::noinline]] void jump(Fibre& from, Fibre& to) {
    if (__builtin_setjmp(from.place) == 0) go_on(to);
}

void switch_fibre(Fibre& from, Fibre& to) {
#ifdef EMULATE_UNDER_TSAN
    constexpr unsigned NO_ORDER = 1;
    __tsan_switch_to_fiber(to.tsan, NO_ORDER);
#endif
#ifdef EMULATE_UNDER_ASAN
    __sanitizer_start_switch_fiber(&from.fake_stack, to.stack_bottom, to.stack_bytes);
#endif
    jump(from, to);
#ifdef EMULATE_UNDER_ASAN
    __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

// Threads that wait for each other: a block, or the lanes of a warp.
struct Group {
    Meeting kind = Meeting::BARRIER;
    unsigned num_waiting = 0, mask = 0;
    int sum = 0;
    // A fast thread may reach the next meeting before a slow one has read this one's results.
    int results[2] = {};
    unsigned ballots[2] = {};
    uint64_t values[2][WARP] = {};
    char tags[2] = {};
    unsigned number = 0;

    void check(Meeting other) const {
        if (num_waiting > 0 && kind != other) fail("threads of one group wait for different things");
    }
};

enum class State { READY, WAITING, DONE };

// One block at a time; fibres stay from launch to launch.
struct Scheduler {
    std::function<void()> kernel;
    Fibre main;
    std::vector<std::unique_ptr<Fibre>> fibres;
    std::vector<State> states;  // of the block's threads
    Group block;
    std::vector<Group> warps;
    unsigned current = 0, num_live = 0;
    char block_tag = 0;

    void resume(unsigned thread) {
        current = thread;
        thread_index = {thread, 0, 0};
        switch_fibre(main, *fibres[thread]);
    }

    void pause() { switch_fibre(*fibres[current], main); }

    unsigned live_lanes(unsigned warp) const {
        unsigned lanes = 0;
        for (unsigned lane = 0; lane < WARP && warp * WARP + lane < states.size(); ++lane) {
            if (states[warp * WARP + lane] != State::DONE) lanes |= 1u << lane;
        }
        return lanes;
    }

    // Let those go who have all arrived.
    void settle_block() {
        if (block.num_waiting == 0 || block.num_waiting < num_live) return;
        block.results[block.number % 2] = block.sum;
        ++block.number;
        block.num_waiting = block.sum = 0;
        for (State& state : states) {
            if (state == State::WAITING) state = State::READY;
        }
    }

    void settle_warp(unsigned warp) {
        Group& group = warps[warp];
        const unsigned expected = group.mask & live_lanes(warp);
        if (group.num_waiting == 0 || group.num_waiting < (unsigned)__builtin_popcount(expected)) {
            return;
        }
        ++group.number;
        group.num_waiting = 0;
        for (unsigned lane = 0; lane < WARP; ++lane) {
            if (expected >> lane & 1) states[warp * WARP + lane] = State::READY;
        }
    }

    void finish_thread() {
        release(&block_tag);
        states[current] = State::DONE;
        --num_live;
        settle_block();
        settle_warp(current / WARP);
    }
};

Scheduler* const scheduler = new Scheduler;

void fibre_body() {
#ifdef EMULATE_UNDER_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &scheduler->main.stack_bottom,
                                    &scheduler->main.stack_bytes);
#endif
    while (true) {
        acquire(&scheduler->block_tag);
        scheduler->kernel();
        scheduler->finish_thread();
        switch_fibre(*scheduler->fibres[scheduler->current], scheduler->main);
    }
}

// The order in which fibres of a block are resumed.
struct Order {
    enum Kind : int64_t { FORWARD, REVERSE, SHUFFLED };
    int64_t kind;
    std::mt19937 random{20240229};

    void arrange(std::vector<unsigned>& threads) {
        std::iota(threads.begin(), threads.end(), 0);
        if (kind == REVERSE) std::reverse(threads.begin(), threads.end());
        if (kind == SHUFFLED) std::shuffle(threads.begin(), threads.end(), random);
    }
};

// Fill all shared memory, which is this program's thread-local memory.
int fill_thread_local(dl_phdr_info* info, size_t, void*) {
    for (int k = 0; k < info->dlpi_phnum; ++k) {
        if (info->dlpi_phdr[k].p_type == PT_TLS) {
            volatile char* memory = static_cast<char*>(info->dlpi_tls_data);
            for (size_t byte = 0; byte < info->dlpi_phdr[k].p_memsz; ++byte) memory[byte] = BLACK;
        }
    }
    return 1;  // the program itself comes first; libraries are left alone
}

void run_block(Scheduler& run, Order& order) {
    std::fill(run.states.begin(), run.states.end(), State::READY);
    run.num_live = run.states.size();
    release(&run.block_tag);
    std::vector<unsigned> threads(run.states.size());
    while (run.num_live > 0) {
        order.arrange(threads);
        bool moved = false;
        for (unsigned thread : threads) {
            if (run.states[thread] == State::READY) {
                moved = true;
                run.resume(thread);
            }
        }
        if (!moved) fail("a barrier is reached by a part of its threads");
    }
    acquire(&run.block_tag);
}

struct Launch {
    int64_t grid[3], block, shared_bytes, order, num_arguments;
};

void run_launch(const Launch& launch, std::function<void()> kernel, DynamicShared dynamic) {
    Scheduler& run = *scheduler;
    run.kernel = std::move(kernel);
    run.main.started = true;
#ifdef EMULATE_UNDER_TSAN
    run.main.tsan = __tsan_get_current_fiber();
#endif
    run.states.resize(launch.block);
    run.warps.assign((launch.block + WARP - 1) / WARP, {});
    run.block = {};
    while ((int64_t)run.fibres.size() < launch.block) {
        run.fibres.push_back(std::make_unique<Fibre>());
        run.fibres.back()->make(fibre_body);
    }
    if (launch.shared_bytes > (int64_t)dynamic.num_bytes) fail("too much shared memory");
    auto from = [](int64_t extent) { return static_cast<unsigned>(extent); };
    grid_size = {from(launch.grid[0]), from(launch.grid[1]), from(launch.grid[2])};
    block_size = {from(launch.block), 1, 1};
    Order order{launch.order};
    for (unsigned z = 0; z < grid_size.z; ++z) {
        for (unsigned y = 0; y < grid_size.y; ++y) {
            for (unsigned x = 0; x < grid_size.x; ++x) {
                block_index = {x, y, z};
#ifdef EMULATE_UNDER_ASAN
                // The macros of the same name do nothing in a file that is not watched itself.
                if (dynamic.memory) __asan_unpoison_memory_region(dynamic.memory, dynamic.num_bytes);
#endif
                dl_iterate_phdr(fill_thread_local, nullptr);
#ifdef EMULATE_UNDER_ASAN
                char* end = static_cast<char*>(dynamic.memory) + launch.shared_bytes;
                if (dynamic.memory) {
                    __asan_poison_memory_region(end, dynamic.num_bytes - launch.shared_bytes);
                }
#endif
                run_block(run, order);
            }
        }
    }
}

// What a launch's file holds: a value, a buffer, a buffer that only `POINTERS` name, and those.
enum Kind : int64_t { VALUE, BUFFER, TARGET, POINTERS };

struct Argument {
    int64_t kind, num_bytes, lead;  // bytes between an aligned address and the buffer
    std::unique_ptr<char, decltype(&std::free)> memory{nullptr, std::free};
    char* start = nullptr;

    void read(std::FILE* file) {
        int64_t header[3];
        if (std::fread(header, sizeof(header), 1, file) != 1) fail("the file ends early");
        kind = header[0], num_bytes = header[1], lead = header[2];
        // Kernels may read whole words of 4 bytes at both ends of a target.
        const size_t rounded = kind == TARGET ? (lead + num_bytes + 3) / 4 * 4 : num_bytes;
        memory.reset(static_cast<char*>(std::malloc(std::max<size_t>(rounded, 1))));
        start = memory.get() + lead;
        if (std::fread(start, 1, num_bytes, file) != (size_t)num_bytes) fail("the file ends early");
    }
};

}  // namespace

int meet_block(Meeting kind, int value) {
    Scheduler& run = *scheduler;
    Group& group = run.block;
    group.check(kind);
    const unsigned number = group.number;
    group.kind = kind;
    group.sum += value;
    ++group.num_waiting;
    release(&group.tags[number % 2]);
    run.states[run.current] = State::WAITING;
    run.settle_block();
    run.pause();
    acquire(&group.tags[number % 2]);
    return group.results[number % 2];
}

uint64_t meet_warp(Meeting kind, unsigned mask, uint64_t value, int source, unsigned* ballot) {
    Scheduler& run = *scheduler;
    const unsigned warp = run.current / WARP, lane = run.current % WARP;
    Group& group = run.warps[warp];
    group.check(kind);
    if (group.num_waiting > 0 && group.mask != mask) fail("lanes of a warp name different masks");
    if (!(mask >> lane & 1)) fail("a lane calls with a mask that leaves it out");
    const unsigned number = group.number, side = number % 2;
    if (group.num_waiting == 0) group.ballots[side] = 0;
    group.kind = kind;
    group.mask = mask;
    group.values[side][lane] = value;
    if (value != 0) group.ballots[side] |= 1u << lane;
    ++group.num_waiting;
    if (kind == Meeting::WARP) release(&group.tags[side]);
    run.states[run.current] = State::WAITING;
    run.settle_warp(warp);
    run.pause();
    if (kind == Meeting::WARP) acquire(&group.tags[side]);
    if (ballot) *ballot = group.ballots[side];
    return group.values[side][source];
}

int run_file(int argc, char** argv, std::function<void(const Arguments&)> kernel,
             DynamicShared dynamic) {
    if (argc != 3) fail("usage: driver INPUT OUTPUT");
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> input(std::fopen(argv[1], "rb"), std::fclose);
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> output(std::fopen(argv[2], "wb"), std::fclose);
    if (!input || !output) fail("cannot open the files");
    Launch launch;
    while (std::fread(&launch, sizeof(launch), 1, input.get()) == 1) {
        std::vector<Argument> arguments(launch.num_arguments);
        std::vector<char*> targets;
        Arguments addresses;
        for (Argument& argument : arguments) {
            argument.read(input.get());
            if (argument.kind == TARGET) targets.push_back(argument.start);
        }
        for (Argument& argument : arguments) {
            if (argument.kind == TARGET) continue;
            if (argument.kind == POINTERS) {
                std::memcpy(argument.start, targets.data(), argument.num_bytes);
            }
            const bool is_value = argument.kind == VALUE;
            addresses.push_back(is_value ? (void*)argument.start : (void*)&argument.start);
        }
        run_launch(launch, [&] { kernel(addresses); }, dynamic);
        for (const Argument& argument : arguments) {
            if (argument.kind == BUFFER) {
                std::fwrite(argument.start, 1, argument.num_bytes, output.get());
            }
        }
    }
    return 0;
}

}  // namespace emulation
