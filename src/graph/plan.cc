#include "graph/plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace cairn {

Plan::Plan(Graph graph, const Weights& weights, Isa isa, ThreadTeam& team)
    : graph_(std::move(graph)), team_(&team), views_(graph_.values().size()), symbols_(graph_.symbols().size(), -1),
      bound_(graph_.inputs().size()) {
  std::vector<std::int64_t> workspace(graph_.nodes().size(), 0);
  for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
    const Node& node = graph_.node(static_cast<int>(n));
    if (node.op->view) continue;
    if (!node.op->prepare) fail(ErrorKind::unsupported, "node '{}': operator {} has no kernel", node.name, node.op->name);
    std::vector<ValueType> inputs, outputs;
    std::vector<TensorView> largest;
    for (ValueId id : node.inputs) {
      const ValueType& type = graph_.value(id).type;
      inputs.push_back(type);
      largest.push_back(make_view(nullptr, type.dtype, graph_.largest_shape(type.shape)));
    }
    for (ValueId id : node.outputs) outputs.push_back(graph_.value(id).type);
    Step step;
    step.node = static_cast<int>(n);
    step.kernel = node.op->prepare({inputs, outputs, node.attributes, isa});
    step.inputs.resize(node.inputs.size());
    step.outputs.resize(node.outputs.size());
    step.busy.resize(static_cast<std::size_t>(team.size()));
    workspace[n] = step.kernel->workspace_bytes(largest, team.size());
    steps_.push_back(std::move(step));
  }
  memory_ = plan_memory(graph_, workspace);
  arena_ = Arena("activations of " + graph_.name(), static_cast<std::size_t>(memory_.arena_bytes));
  for (Step& step : steps_)
    if (std::int64_t offset = memory_.workspace_offset[static_cast<std::size_t>(step.node)]; offset >= 0) step.workspace = arena_.data() + offset;
  for (std::size_t v = 0; v < views_.size(); ++v)
    if (graph_.values()[v].kind == ValueKind::weight) views_[v] = weights.view({static_cast<int>(v)});
}

void Plan::bind_inputs(std::span<const TensorView> inputs) {
  if (inputs.size() != graph_.inputs().size())
    fail(ErrorKind::internal, "plan '{}' takes {} inputs, got {}", graph_.name(), graph_.inputs().size(), inputs.size());
  std::vector<std::int64_t> symbols(symbols_.size(), -1);
  bool changed = false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph_.value(graph_.inputs()[i]);
    const SymShape& shape = value.type.shape;
    if (inputs[i].dtype != value.type.dtype || inputs[i].shape.rank() != static_cast<int>(shape.size()))
      fail_invalid("plan input '{}' is {}{}, expected {}", value.name, name(inputs[i].dtype), to_string(inputs[i].shape), to_string(value.type));
    for (std::size_t d = 0; d < shape.size(); ++d) {
      std::int64_t actual = inputs[i].dim(static_cast<int>(d));
      if (!shape[d].is_symbol()) {
        if (actual != shape[d].value) fail_invalid("plan input '{}': dimension {} is {}, expected {}", value.name, d, actual, shape[d].value);
        continue;
      }
      const Symbol& symbol = graph_.symbols()[static_cast<std::size_t>(shape[d].symbol)];
      std::int64_t& bound = symbols[static_cast<std::size_t>(shape[d].symbol)];
      if (actual > symbol.largest || (bound >= 0 && bound != actual))
        fail_invalid("plan input '{}': dimension {} ({}) is {}; {}", value.name, d, symbol.name, actual,
                     actual > symbol.largest ? fmt::format("at most {} was planned for", symbol.largest) : fmt::format("another input has {}", bound));
      bound = actual;
    }
    changed |= bound_[i] != inputs[i].data;
    bound_[i] = inputs[i].data;
    views_[static_cast<std::size_t>(graph_.inputs()[i].index)] = inputs[i];
  }
  if (!changed && symbols == symbols_) return;
  symbols_ = std::move(symbols);
  resolve_views();
}

void Plan::resolve_views() {
  for (const Node& node : graph_.nodes()) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      auto v = static_cast<std::size_t>(node.outputs[i].index);
      if (node.op->view) {
        views_[v] = node.op->view(views_[static_cast<std::size_t>(node.inputs[0].index)], static_cast<int>(i), node.attributes);
      } else if (memory_.storage[v].root == node.outputs[i]) {
        const ValueType& type = graph_.values()[v].type;
        Shape shape;
        std::array<std::int64_t, kMaxRank> dims{};
        for (std::size_t d = 0; d < type.shape.size(); ++d)
          dims[d] = type.shape[d].is_symbol() ? symbols_[static_cast<std::size_t>(type.shape[d].symbol)] : type.shape[d].value;
        views_[v] = make_view(arena_.data() + memory_.storage[v].offset, type.dtype, Shape(std::span<const std::int64_t>(dims.data(), type.shape.size())));
      } else {
        views_[v] = views_[static_cast<std::size_t>(node.inputs[static_cast<std::size_t>(node.op->alias[i])].index)];
      }
    }
  }
  for (Step& step : steps_) {
    const Node& node = graph_.node(step.node);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) step.inputs[i] = views_[static_cast<std::size_t>(node.inputs[i].index)];
    for (std::size_t i = 0; i < node.outputs.size(); ++i) step.outputs[i] = views_[static_cast<std::size_t>(node.outputs[i].index)];
  }
}

void Plan::run(std::span<const TensorView> inputs) {
  bind_inputs(inputs);
  team_->run([this](int member) { execute(member); });
}

void Plan::execute(int member) noexcept {
  if (profiling_) return execute_profiled(member);
  const Worker worker{member, team_->size()};
  for (const Step& step : steps_) {
    const int phases = step.kernel->phases();
    for (int phase = 0; phase < phases; ++phase) {
      step.kernel->run(step.inputs, step.outputs, step.workspace, phase, worker);
      team_->barrier();
    }
  }
}

void Plan::execute_profiled(int member) noexcept {
  using Clock = std::chrono::steady_clock;
  auto microseconds = [](Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); };
  const Worker worker{member, team_->size()};
  auto begin = Clock::now();
  for (Step& step : steps_) {
    double busy = 0;
    const int phases = step.kernel->phases();
    for (int phase = 0; phase < phases; ++phase) {
      const auto start = Clock::now();
      step.kernel->run(step.inputs, step.outputs, step.workspace, phase, worker);
      busy += microseconds(Clock::now() - start);
      team_->barrier();
    }
    step.busy[static_cast<std::size_t>(member)] = busy;
    const auto end = Clock::now();
    if (member == 0) step.microseconds = microseconds(end - begin);
    begin = end;
  }
}

const TensorView& Plan::output(std::size_t index) const {
  return views_[static_cast<std::size_t>(graph_.outputs()[index].value.index)];
}

std::vector<StepTime> Plan::last_profile() const {
  std::vector<StepTime> times;
  for (const Step& step : steps_) {
    const Node& node = graph_.node(step.node);
    std::string weights;
    for (ValueId id : node.inputs)
      if (const Value& value = graph_.value(id); value.kind == ValueKind::weight)
        weights += fmt::format("{}{}", weights.empty() ? "" : " ", to_string(value.type));
    const Cost cost = node.op->cost ? node.op->cost(step.inputs, step.outputs, node.attributes) : bytes_of(step.inputs, step.outputs);
    times.push_back({node.name, node.op->name, std::move(weights), step.microseconds, cost, *std::ranges::max_element(step.busy)});
  }
  return times;
}

std::string describe(const Plan& plan) {
  std::string text = fmt::format("plan {}: {} steps\n", plan.graph().name(), plan.steps());
  int index = 0;
  for (const Node& node : plan.graph().nodes()) {
    std::string outputs;
    for (ValueId id : node.outputs) {
      const Storage& storage = plan.memory().storage[static_cast<std::size_t>(id.index)];
      std::string place = storage.root == id ? fmt::format("@{}", storage.offset) : "view of " + plan.graph().value(storage.root).name;
      outputs += fmt::format("{}{} {}", outputs.empty() ? "" : ", ", to_string(plan.graph().value(id).type), place);
    }
    text += fmt::format("  {:>4}  {:<20} {:<44} -> {}\n", node.op->view ? "-" : std::to_string(index++), node.op->name, node.name, outputs);
  }
  text += "buffers (offset, bytes, steps):\n";
  for (const Buffer& buffer : plan.memory().buffers)
    text += fmt::format("  {:>12} {:>12}  {:>4}..{:<4} {}\n", buffer.offset, buffer.bytes, buffer.first_step, buffer.last_step, buffer.name);
  text += fmt::format("peak activation memory {} ({} without reuse)\n", human_bytes(static_cast<std::uint64_t>(plan.memory().arena_bytes)),
                      human_bytes(static_cast<std::uint64_t>(plan.memory().unshared_bytes)));
  return text;
}

}  // namespace cairn
