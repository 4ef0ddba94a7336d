// An executable plan: the graph's nodes as bound kernel calls that a resident team runs from end to end.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/memory_plan.h"
#include "graph/weights.h"
#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace cairn {

/// What one step took in the last profiled run, and the least that it had to do.
struct StepTime {
  std::string name;
  std::string_view op;
  std::string weights;  // their types, "" for none
  double microseconds = 0;  // with the wait for the slowest member
  Cost cost;
  double kernel_microseconds = 0;  // the slowest member's time inside the kernel
};

/// Immutable but for the views that a run binds; one run at a time. Keeps a reference to the weights.
class Plan {
 public:
  /// Chooses each node's kernel and plans the memory; allocates one arena. `weights` outlives the plan.
  Plan(Graph graph, const Weights& weights, Isa isa, ThreadTeam& team);

  /// Runs every step. `inputs` are views in the order of graph().inputs(); dimensions that are symbols may differ from
  /// run to run, up to their largest value, and must agree. Throws invalid_argument for a wrong shape or dtype.
  void run(std::span<const TensorView> inputs);
  /// View of output `index`, valid until the next run.
  const TensorView& output(std::size_t index) const;

  const Graph& graph() const { return graph_; }
  const MemoryPlan& memory() const { return memory_; }
  /// Number of kernel calls (views cost nothing).
  std::size_t steps() const { return steps_.size(); }
  void set_profiling(bool on) { profiling_ = on; }
  std::vector<StepTime> last_profile() const;

 private:
  struct Step {
    int node = 0;
    std::unique_ptr<Kernel> kernel;
    std::byte* workspace = nullptr;
    std::vector<TensorView> inputs, outputs;
    double microseconds = 0;
    std::vector<double> busy;  // microseconds inside the kernel, by member
  };
  void bind_inputs(std::span<const TensorView> inputs);
  void resolve_views();
  void execute(int member) noexcept;
  void execute_profiled(int member) noexcept;

  Graph graph_;
  ThreadTeam* team_;
  MemoryPlan memory_;
  Arena arena_;
  std::vector<Step> steps_;
  std::vector<TensorView> views_;              // by value, as of this run
  std::vector<std::int64_t> symbols_;          // as of this run
  std::vector<std::byte*> bound_;              // input pointers that the views were resolved for
  bool profiling_ = false;
};

/// Text of the plan for `cairn inspect --plan`: steps, buffers, peak memory.
std::string describe(const Plan& plan);

}  // namespace cairn
