#include "node/replication/spool_metrics.h"

#include <string>

namespace fermo::node {
namespace {

enum class Line : uint8_t {
  kLogged,
  kNone,  // it comes with single messages, or again with each round
};
struct Event {
  std::string_view what;
  Line line;
};

// All that a note can say. They are there from the start, so that increase() sees
// the first of a kind; docs/operations.md explains them.
constexpr Event kEvents[] = {
    {"append_aborted", Line::kLogged},
    {"append_refused", Line::kLogged},
    {"append_repeated", Line::kNone},
    {"attempt_suppressed", Line::kNone},
    {"claim_refused", Line::kNone},
    {"claim_started", Line::kLogged},
    {"close_refused", Line::kLogged},
    {"handed_over", Line::kLogged},
    {"holders_changed", Line::kLogged},
    {"holders_kept", Line::kLogged},
    {"last_survivor", Line::kLogged},
    {"last_survivor_delivered", Line::kNone},
    {"last_survivor_stops", Line::kLogged},
    {"outcome_conflict", Line::kLogged},
    {"ownership_lost", Line::kLogged},
    {"repair_lost_a_node", Line::kLogged},
    {"repair_not_committed", Line::kLogged},
    {"repair_not_needed", Line::kLogged},
    {"repair_started", Line::kLogged},
    {"repair_took_too_long", Line::kLogged},
    {"repair_waits_for_a_suspect", Line::kLogged},
    {"segment_closed", Line::kLogged},
    {"segment_opened", Line::kLogged},
    {"segment_sealed", Line::kLogged},
    {"store_behind", Line::kLogged},
    {"store_caught_up", Line::kLogged},
    {"stray_copies_dropped", Line::kLogged},
    {"takeover", Line::kLogged},
    {"upload_recognised", Line::kLogged},
};

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

void Raise(net::Counter& counter, double total) {
  if (total > counter.Value()) counter.Increment(total - counter.Value());
}

}  // namespace

SpoolMetrics::SpoolMetrics(net::Metrics& m, const SpoolStore& store)
    : metrics_(m),
      accepted_(m.MakeCounter("messages_stored_total", "Messages made durable on W holders.")),
      accepted_bytes_(m.MakeCounter("message_bytes_stored_total", "Octets of those messages.")),
      durable_seconds_(m.MakeHistogram("append_duration_seconds",
                                       "Last chunk received to durable on W holders.",
                                       net::LatencyBuckets())),
      refused_(m.MakeCounter("appends_refused_total", "Uploads that could not be made durable.")),
      segments_(m.MakeGauge("segments", "Segments of which copies are kept, not closed.")),
      owned_(m.MakeGauge("segments_owned", "Segments that this node owns.")),
      held_(m.MakeGauge("messages_held", "Copies of unfinished messages kept here.")),
      under_replicated_(m.MakeGauge("messages_under_replicated",
                                    "Owned messages on fewer live holders than configured.")),
      at_risk_(m.MakeGauge("messages_at_risk",
                           "Owned messages on fewer live holders than a 250 needs.")),
      suspect_(m.MakeGauge("suspect", "1 while an unclean stop may have lost mail here.")),
      surviving_(m.MakeGauge("segments_surviving",
                             "Segments that are delivered alone, without a quorum.")),
      repairs_(m.MakeGauge("repairs_running", "Segments that are given new holders now.")),
      live_peers_(m.MakeGauge("peers_live", "Peers that are connected and answer.")),
      peer_queue_bytes_(
          m.MakeGauge("replication_queue_bytes", "Octets that wait for the slowest peer.")),
      write_stopped_(m.MakeGauge("rocksdb_write_stopped", "1 while RocksDB takes no writes.",
                                 {{"db", "spool"}})),
      pending_compaction_(m.MakeGauge("rocksdb_pending_compaction_bytes",
                                      "Estimated octets to compact.", {{"db", "spool"}})),
      background_errors_(
          m.MakeGauge("rocksdb_background_errors", "Background errors so far.", {{"db", "spool"}})),
      level0_files_(m.MakeGauge("rocksdb_level0_files", "Files in level 0.", {{"db", "spool"}})),
      store_queue_bytes_(m.MakeGauge("store_queue_bytes", "Octets that wait for the disk.")),
      synced_commits_(m.MakeCounter("wal_syncs_total", "Synced group commits.")),
      commits_(m.MakeCounter("store_commits_total", "Group commits, synced or not.")),
      sync_seconds_(m.MakeCounter("wal_sync_seconds_total", "Time spent in synced commits.")),
      survivor_deliveries_(m.MakeCounter("last_survivor_deliveries_total",
                                         "Legs delivered alone, without a quorum.")) {
  for (const Event& event : kEvents) {
    net::Counter& counter =
        m.MakeCounter("replication_events_total", "What happened to segments, by event.",
                      {{"event", std::string(event.what)}});
    events_[event.what] = {&counter, event.line == Line::kLogged};
  }
  metrics_.BeforeScrape([this, &store] { RefreshStore(store); });
}

void SpoolMetrics::Accepted(uint64_t bytes, Duration taken) {
  accepted_.Increment();
  accepted_bytes_.Increment(static_cast<double>(bytes));
  durable_seconds_.Observe(Seconds(taken));
}

void SpoolMetrics::Refused(Duration) { refused_.Increment(); }

bool SpoolMetrics::Noted(const cluster::Note& note) {
  if (note.what == "last_survivor_delivered") {
    survivor_deliveries_.Increment(static_cast<double>(note.count));
  }
  const auto event = events_.find(note.what);
  if (event == events_.end()) return true;
  event->second.counter->Increment();
  return event->second.logged;
}

void SpoolMetrics::Refresh(const cluster::Replica::View& view, size_t queued_peer_bytes) {
  segments_.Set(view.segments);
  owned_.Set(view.owned);
  held_.Set(static_cast<double>(view.held));
  under_replicated_.Set(static_cast<double>(view.under_replicated));
  at_risk_.Set(static_cast<double>(view.at_risk));
  suspect_.Set(view.suspect ? 1 : 0);
  surviving_.Set(view.surviving);
  repairs_.Set(view.repairs);
  int live = 0;
  for (const auto& peer : view.peers) live += peer.live ? 1 : 0;
  live_peers_.Set(live);
  peer_queue_bytes_.Set(static_cast<double>(queued_peer_bytes));
}

void SpoolMetrics::RefreshStore(const SpoolStore& store) {
  const SpoolStore::Counters counters = store.GetCounters();
  write_stopped_.Set(counters.write_stopped ? 1 : 0);
  pending_compaction_.Set(static_cast<double>(counters.pending_compaction_bytes));
  background_errors_.Set(static_cast<double>(counters.background_errors));
  level0_files_.Set(static_cast<double>(counters.level0_files));
  store_queue_bytes_.Set(static_cast<double>(store.QueuedBytes()));
  Raise(synced_commits_, static_cast<double>(counters.synced_commits));
  Raise(commits_, static_cast<double>(counters.commits));
  Raise(sync_seconds_, counters.sync_seconds_sum);
}

}  // namespace fermo::node
