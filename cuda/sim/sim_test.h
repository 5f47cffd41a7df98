// A few words for the simulator's tests.
#pragma once
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "run.h"

namespace simtest {

struct Report {
  int passed = 0, failed = 0;
  // check prints one line a case.
  void check(const std::string &name, bool ok, const std::string &detail) {
    (ok ? passed : failed)++;
    std::printf("%-4s %-40s %s\n", ok ? "ok" : "FAIL", name.c_str(), detail.c_str());
  }
};

// Args builds a launch blob; each value at its natural alignment.
struct Args {
  std::vector<uint8_t> bytes;
  template <class T>
  Args &add(T v) {
    while (bytes.size() % sizeof(T)) bytes.push_back(0);
    bytes.resize(bytes.size() + sizeof v);
    std::memcpy(&bytes[bytes.size() - sizeof v], &v, sizeof v);
    return *this;
  }
};

template <class T>
uint64_t upload(sim::Memory &m, const std::vector<T> &v) {
  uint64_t p = m.alloc(v.size() * sizeof(T));
  m.write(p, v.data(), v.size() * sizeof(T));
  return p;
}
template <class T>
std::vector<T> download(sim::Memory &m, uint64_t p, size_t n) {
  std::vector<T> v(n);
  m.read(v.data(), p, n * sizeof(T));
  return v;
}

void test_faults(Report &r, const std::string &ptx);
void test_load_errors(Report &r);
void test_memory(Report &r);
void test_arithmetic(Report &r, const sim::Module &m);
void test_tensor(Report &r, const sim::Module &m);

}  // namespace simtest
