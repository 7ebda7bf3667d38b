// The configuration over the real embedded store: what is kept, how it is
// numbered, and what two coordinators on one store make of each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "coordinator/membership/config_store.h"
#include "coordinator/store/rocksdb_control_store.h"
#include "tests/unit/coordinator/temp_dir.h"

namespace fermo::coordinator {
namespace {

using ::testing::HasSubstr;

MemberRecord Node(uint64_t id, const std::string& name, const std::string& region,
                  const std::string& address = "127.0.0.1:1001") {
  MemberRecord member;
  member.node = NodeId(id);
  member.name = name;
  member.region = region;
  member.address = address;
  member.http_address = "127.0.0.1:1002";
  return member;
}

DomainRecord Domain(const std::string& name, uint16_t port = 25) {
  DomainRecord domain;
  domain.name = name;
  domain.primary.host = "mx." + name;
  domain.primary.port = port;
  domain.created = WallTime(std::chrono::milliseconds(1700000000123));
  return domain;
}

class ConfigStoreTest : public testing::Test {
 protected:
  ConfigStoreTest() { OpenStore(4096); }

  void OpenStore(size_t watched_changes) {
    config_.reset();
    store_.reset();
    RocksDbControlStoreOptions options;
    options.directory = dir_.path() + "/db";
    options.watched_changes = watched_changes;
    store_ = RocksDbControlStore::Open(options).value();
    config_ = Open("uuid-1");
  }
  std::unique_ptr<ConfigStore> Open(const std::string& uuid) {
    ConfigStoreOptions options;
    options.new_cluster_uuid = uuid;
    options.on_change = [this](ClusterViewPtr view) {
      absl::MutexLock lock(&mutex_);
      seen_.push_back(view->generation);
    };
    return ConfigStore::Open(*store_, std::move(options)).value();
  }
  absl::Status PutRaw(const std::string& key, const std::string& value) {
    Transaction transaction;
    transaction.mutations = {{key, value}};
    return store_->Commit(transaction).status();
  }

  TempDir dir_;
  std::unique_ptr<RocksDbControlStore> store_;
  absl::Mutex mutex_;
  std::vector<uint64_t> seen_;
  std::unique_ptr<ConfigStore> config_;
};

TEST_F(ConfigStoreTest, TheClusterIsNamedOnce) {
  EXPECT_EQ(config_->view()->cluster_uuid, "uuid-1");
  EXPECT_EQ(config_->view()->generation, 1u);
  config_ = Open("uuid-2");
  EXPECT_EQ(config_->view()->cluster_uuid, "uuid-1");
  OpenStore(4096);
  EXPECT_EQ(config_->view()->cluster_uuid, "uuid-1");
}

TEST_F(ConfigStoreTest, EachChangeRaisesTheGenerationAndSurvivesAReopening) {
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma")).ok());
  auto view = config_->AddDomain(Domain("example.test", 2525));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ((*view)->generation, 3u);
  OpenStore(4096);
  EXPECT_EQ(config_->view()->generation, 3u);
  const DomainRecord* domain = config_->view()->FindDomain("example.test");
  ASSERT_NE(domain, nullptr);
  EXPECT_EQ(domain->primary.host, "mx.example.test");
  EXPECT_EQ(domain->primary.port, 2525);
  EXPECT_EQ(domain->created, Domain("x").created);
  ASSERT_NE(config_->view()->FindMember(NodeId(1)), nullptr);
  EXPECT_TRUE(config_->view()->FindMember(NodeId(1))->SameAs(Node(1, "roma-1", "roma")));
}

TEST_F(ConfigStoreTest, AMemberIsWrittenOnlyWhenItHasChanged) {
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma")).ok());
  EXPECT_EQ((*config_->PutMember(Node(1, "roma-1", "roma")))->generation, 2u);
  EXPECT_EQ((*config_->PutMember(Node(1, "roma-1", "roma", "127.0.0.1:9")))->generation, 3u);
  EXPECT_EQ(config_->view()->members.size(), 1u);
  EXPECT_EQ(config_->view()->FindMember(NodeId(1))->address, "127.0.0.1:9");
}

TEST_F(ConfigStoreTest, AWipedNodeOfTheSameNameIsAMemberBesideTheOldOne) {
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma")).ok());
  ASSERT_TRUE(config_->PutMember(Node(2, "roma-1", "roma")).ok());
  EXPECT_EQ(config_->view()->LiveMembers().size(), 2u);
}

TEST_F(ConfigStoreTest, ADomainIsAddedOnceAndRemovedOnce) {
  ASSERT_TRUE(config_->AddDomain(Domain("a.test")).ok());
  const absl::Status again = config_->AddDomain(Domain("a.test", 26)).status();
  EXPECT_TRUE(absl::IsAlreadyExists(again));
  EXPECT_THAT(std::string(again.message()), HasSubstr("mx.a.test:25"));
  EXPECT_EQ(config_->view()->generation, 2u);
  EXPECT_TRUE(config_->RemoveDomain("a.test").ok());
  EXPECT_EQ(config_->view()->FindDomain("a.test"), nullptr);
  EXPECT_TRUE(absl::IsNotFound(config_->RemoveDomain("a.test").status()));
  EXPECT_EQ(config_->view()->generation, 3u);
}

TEST_F(ConfigStoreTest, AnEvictedNodeIsNoLiveMemberAndCannotBeStoredAgain) {
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma")).ok());
  ASSERT_TRUE(PutRaw(EvictedKey(NodeId(1)), "{}").ok());
  config_ = Open("");
  EXPECT_TRUE(config_->view()->LiveMembers().empty());
  const absl::Status status = config_->PutMember(Node(1, "roma-1", "roma", "127.0.0.1:9")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST_F(ConfigStoreTest, ADrainIsKeptThroughAnotherJoinAndAReopening) {
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma")).ok());
  auto view = config_->SetDraining(NodeId(1), true);
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_TRUE((*view)->FindMember(NodeId(1))->draining);
  EXPECT_EQ((*view)->generation, 3u);
  EXPECT_EQ((*config_->SetDraining(NodeId(1), true))->generation, 3u);
  // What a node says of itself has no such flag.
  EXPECT_EQ((*config_->PutMember(Node(1, "roma-1", "roma")))->generation, 3u);
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma", "127.0.0.1:9")).ok());
  OpenStore(4096);
  EXPECT_TRUE(config_->view()->FindMember(NodeId(1))->draining);
  EXPECT_EQ(config_->view()->FindMember(NodeId(1))->address, "127.0.0.1:9");
  EXPECT_FALSE((*config_->SetDraining(NodeId(1), false))->FindMember(NodeId(1))->draining);
  EXPECT_TRUE(absl::IsNotFound(config_->SetDraining(NodeId(2), true).status()));
}

TEST_F(ConfigStoreTest, AnEvictionTakesTheMemberAndStays) {
  ASSERT_TRUE(config_->PutMember(Node(1, "roma-1", "roma")).ok());
  auto view = config_->Evict(NodeId(1));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_TRUE((*view)->evicted.contains(NodeId(1)));
  EXPECT_EQ((*view)->FindMember(NodeId(1)), nullptr);
  EXPECT_EQ((*view)->generation, 3u);
  EXPECT_EQ((*config_->Evict(NodeId(1)))->generation, 3u);
  EXPECT_TRUE(absl::IsNotFound(config_->Evict(NodeId(2)).status()));
  EXPECT_TRUE(absl::IsNotFound(config_->SetDraining(NodeId(1), true).status()));
  OpenStore(4096);
  EXPECT_TRUE(config_->view()->evicted.contains(NodeId(1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(config_->PutMember(Node(1, "roma-1", "roma")).status()));
}

TEST_F(ConfigStoreTest, RegionsAreKeptAndRecordsOfOlderVersionsAreRead) {
  DomainRecord domain = Domain("a.test");
  domain.regions = {"bari", "roma"};
  ASSERT_TRUE(config_->AddDomain(domain).ok());
  ASSERT_TRUE(PutRaw(DomainKey("old.test"),
                     "{\"primary_host\":\"h\",\"primary_port\":25,\"created_millis\":1}")
                  .ok());
  ASSERT_TRUE(PutRaw(MemberKey(NodeId(7)),
                     "{\"name\":\"n\",\"region\":\"r\",\"address\":\"h:1\",\"http_address\":\"\"}")
                  .ok());
  OpenStore(4096);
  EXPECT_EQ(config_->view()->FindDomain("a.test")->regions, domain.regions);
  EXPECT_TRUE(config_->view()->FindDomain("old.test")->regions.empty());
  EXPECT_FALSE(config_->view()->FindMember(NodeId(7))->draining);
}

TEST_F(ConfigStoreTest, TwoCoordinatorsOnOneStoreSeeEachOthersChanges) {
  auto other = Open("uuid-2");
  ASSERT_TRUE(other->AddDomain(Domain("a.test")).ok());
  // Planned on a view that may be older: the swap fails and is planned again.
  ASSERT_TRUE(config_->AddDomain(Domain("b.test")).ok());
  EXPECT_EQ(config_->view()->domains.size(), 2u);
  EXPECT_TRUE(absl::IsAlreadyExists(config_->AddDomain(Domain("a.test")).status()));
}

TEST_F(ConfigStoreTest, NoGenerationIsGivenTwiceUnderConcurrency) {
  auto other = Open("uuid-2");
  auto add = [](ConfigStore* config, const std::string& label) {
    for (int i = 0; i < 10; ++i) {
      absl::Status status;
      do {
        status = config->AddDomain(Domain(label + std::to_string(i) + ".test")).status();
      } while (absl::IsUnavailable(status));  // lost the race too often
      EXPECT_TRUE(status.ok()) << status;
    }
  };
  std::thread first(add, config_.get(), "a"), second(add, other.get(), "b");
  first.join();
  second.join();
  EXPECT_EQ(config_->view()->domains.size(), 20u);
  EXPECT_EQ(config_->view()->generation, 21u);
}

TEST_F(ConfigStoreTest, AConfigurationThatFellBehindIsReadAnew) {
  OpenStore(/*watched_changes=*/1);
  absl::Mutex gate;  // holds the first callback up, so that changes fall out
  ConfigStoreOptions options;
  std::atomic<uint64_t> seen = 0;
  options.on_change = [&](ClusterViewPtr view) {
    absl::MutexLock lock(&gate);
    seen = view->generation;
  };
  std::unique_ptr<ConfigStore> slow;
  {
    absl::MutexLock lock(&gate);
    slow = ConfigStore::Open(*store_, std::move(options)).value();
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(
          PutRaw(DomainKey("d" + std::to_string(i) + ".test"), EncodeDomain(Domain("d"))).ok());
      EXPECT_TRUE(PutRaw(std::string(kGenerationKey), std::to_string(i + 2)).ok());
    }
  }
  auto caught_up = [&] { return seen == 6; };
  absl::MutexLock lock(&gate);
  EXPECT_TRUE(gate.AwaitWithTimeout(absl::Condition(&caught_up), absl::Seconds(20)));
  EXPECT_EQ(slow->view()->domains.size(), 5u);
}

TEST_F(ConfigStoreTest, AnUnreadableRecordIsRefusedByName) {
  ASSERT_TRUE(PutRaw(DomainKey("a.test"), "{\"primary_host\": 7}").ok());
  ConfigStoreOptions options;
  options.on_change = [](ClusterViewPtr) {};
  const absl::Status status = ConfigStore::Open(*store_, std::move(options)).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("fermoposta/domains/a.test"));
}

}  // namespace
}  // namespace fermo::coordinator
