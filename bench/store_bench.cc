// How many messages a second the spool makes durable on this disk.
//
//   store_bench [DIRECTORY [SECONDS]]
//
// Writes 4 KiB messages (a record and one chunk), synced, with 1, 20 and 100 in
// flight, each into a new spool inside DIRECTORY (default: the working
// directory), and prints the rate, the time from call to answer and how many
// messages shared a sync.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <semaphore>
#include <string>
#include <vector>

#include "lib/base/random.h"
#include "node/store/spool_store.h"

namespace fermo::node {
namespace {

constexpr size_t kRecordOctets = 300;
constexpr size_t kContentOctets = 4096;
constexpr int kMaxInFlight = 100;

std::string RandomOctets(Rng& rng, size_t size) {
  std::string octets(size, '\0');
  for (char& octet : octets) octet = static_cast<char>(rng.NextU64());
  return octets;
}

struct Load {
  explicit Load(int in_flight) : room(in_flight) {}
  std::counting_semaphore<kMaxInFlight> room;
  std::vector<Duration> took;  // the writer thread's
};

double Milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

Duration Quantile(std::vector<Duration>& sorted, double q) {
  return sorted.empty() ? Duration() : sorted[static_cast<size_t>(q * (sorted.size() - 1))];
}

void Generate(SpoolStore& store, Load& load, int in_flight, Duration span) {
  Rng rng(1);
  const Bytes record = MakeBytes(RandomOctets(rng, kRecordOctets));
  const Bytes content = MakeBytes(RandomOctets(rng, kContentOctets));
  const SegmentId segment{NodeId(1), 1, 1};
  Instant end = BootClock::now() + span;
  for (uint32_t seq = 0; BootClock::now() < end; ++seq) {
    load.room.acquire();
    Instant begin = BootClock::now();
    store.Write(
        {spool::PutChunk{segment, seq, 0, content}, spool::PutMessage{{segment, Seq(seq)}, record}},
        spool::Durability::kSynced, [&load, begin](const absl::Status& status) {
          if (!status.ok()) std::abort();
          load.took.push_back(BootClock::now() - begin);
          load.room.release();
        });
  }
  for (int i = 0; i < in_flight; ++i) load.room.acquire();
}

int Measure(const std::string& base, int in_flight, Duration span) {
  std::string directory = base + "/store-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    perror(directory.c_str());
    return 1;
  }
  StoreOptions options;
  options.directory = directory;
  auto store = SpoolStore::Open(std::move(options));
  if (!store.ok()) {
    fprintf(stderr, "%s\n", store.status().ToString().c_str());
    return 1;
  }
  Load load(in_flight);
  Instant begin = BootClock::now();
  Generate(**store, load, in_flight, span);
  double seconds = std::chrono::duration<double>(BootClock::now() - begin).count();
  auto counters = (*store)->GetCounters();
  std::sort(load.took.begin(), load.took.end());
  double messages = static_cast<double>(load.took.size());
  printf("4 KiB x %3d in flight: %7.0f writes/s, p50 %6.2f ms, p99 %6.2f ms, %5.1f a sync\n",
         in_flight, messages / seconds, Milliseconds(Quantile(load.took, 0.5)),
         Milliseconds(Quantile(load.took, 0.99)),
         messages / static_cast<double>(std::max<uint64_t>(counters.synced_commits, 1)));
  fflush(stdout);
  store->reset();
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace fermo::node

int main(int argc, char** argv) {
  const std::string base = argc > 1 ? argv[1] : ".";
  const std::chrono::seconds span(argc > 2 ? std::atoi(argv[2]) : 5);
  for (int in_flight : {1, 20, 100}) {
    if (fermo::node::Measure(base, in_flight, span) != 0) return 1;
  }
  return 0;
}
