#include "tensor/shape.h"

#include <algorithm>

#include "base/error.h"

namespace cairn {

Shape::Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const std::int64_t> dims) {
  if (dims.size() > kMaxRank) fail_invalid("a tensor of rank {}: at most rank {} is supported", dims.size(), kMaxRank);
  for (std::int64_t dim : dims) {
    if (dim < 0) fail_invalid("a tensor dimension of {}: dimensions are not negative", dim);
    dims_[static_cast<std::size_t>(rank_++)] = dim;
  }
}

std::int64_t Shape::elements() const {
  std::int64_t count = 1;
  for (std::int64_t dim : dims()) count *= dim;
  return count;
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(dims().begin(), dims().end(), other.dims().begin());
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape.dims(), ", ")); }

}  // namespace cairn
