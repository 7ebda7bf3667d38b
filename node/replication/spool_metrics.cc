#include "node/replication/spool_metrics.h"

namespace fermo::node {
namespace {

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
      sync_seconds_(m.MakeCounter("wal_sync_seconds_total", "Time spent in synced commits.")) {
  metrics_.BeforeScrape([this, &store] { RefreshStore(store); });
}

void SpoolMetrics::Accepted(uint64_t bytes, Duration taken) {
  accepted_.Increment();
  accepted_bytes_.Increment(static_cast<double>(bytes));
  durable_seconds_.Observe(Seconds(taken));
}

void SpoolMetrics::Refused(Duration) { refused_.Increment(); }

void SpoolMetrics::Acknowledged(NodeId peer, Duration taken) {
  net::Histogram*& histogram = acknowledged_[peer];
  if (histogram == nullptr) {
    histogram = &metrics_.MakeHistogram("replication_ack_seconds",
                                        "An append's way to a peer's disk and back.",
                                        net::LatencyBuckets(), {{"peer", ToString(peer)}});
  }
  histogram->Observe(Seconds(taken));
}

void SpoolMetrics::QueuedFor(NodeId peer, size_t bytes) {
  net::Gauge*& gauge = queued_[peer];
  if (gauge == nullptr) {
    gauge = &metrics_.MakeGauge("replication_peer_queue_bytes", "Octets that wait for a peer.",
                                {{"peer", ToString(peer)}});
  }
  gauge->Set(static_cast<double>(bytes));
}

void SpoolMetrics::Noted(const cluster::Note& note) {
  auto it = events_.find(note.what);
  if (it == events_.end()) {
    net::Counter& counter =
        metrics_.MakeCounter("replication_events_total", "What happened to segments, by event.",
                             {{"event", std::string(note.what)}});
    it = events_.emplace(std::string(note.what), &counter).first;
  }
  it->second->Increment();
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
