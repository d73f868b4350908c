#include "common/ops/tls_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "tests/fakes/certificates.h"

namespace portolan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace fs = std::filesystem;

std::string Text(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class TlsCopiesTest : public testing::Test {
 protected:
  TlsCopiesTest() {
    auto made = TlsCopies::Make(files_);
    EXPECT_TRUE(made.ok()) << made.status();
    copies_ = *std::move(made);
  }
  // As many looks as a change needs.
  absl::StatusOr<std::vector<std::string>> LookTwice() {
    const auto first = copies_->Look();
    EXPECT_TRUE(first.ok()) << first.status();
    EXPECT_THAT(*first, IsEmpty()) << "files that may still be written are taken";
    return copies_->Look();
  }
  static void Replace(const std::string& path, const std::string& by) {
    fs::copy_file(by, path + ".new");
    fs::rename(path + ".new", path);
  }
  void ExpectCopiesOf(const std::string& cert, const std::string& key, const std::string& ca) {
    EXPECT_EQ(Text(copies_->copies().cert), cert);
    EXPECT_EQ(Text(copies_->copies().key), key);
    EXPECT_EQ(Text(copies_->copies().ca), ca);
    EXPECT_TRUE(CheckTlsFiles(copies_->copies()).ok());
  }

  CertificateMaker ca_{"watch"};
  const TlsFiles files_ = ca_.Issue("mine", {"DNS:localhost"});
  std::unique_ptr<TlsCopies> copies_;
};

TEST_F(TlsCopiesTest, AreOfTheFilesAndStayWhileThoseDo) {
  ExpectCopiesOf(Text(files_.cert), Text(files_.key), Text(files_.ca));
  EXPECT_EQ(copies_->certificate(), *ReadCertificateFacts(Text(files_.cert)));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(*copies_->Look(), IsEmpty());
    EXPECT_FALSE(copies_->settling());
  }
  // Touched, and the same: nothing to tell.
  Replace(files_.cert, files_.cert);
  EXPECT_THAT(*LookTwice(), IsEmpty());
}

TEST_F(TlsCopiesTest, FollowFilesThatAreRenewed) {
  const TlsFiles paths = copies_->copies();
  const TlsFiles next = ca_.Issue("next", {"DNS:localhost"}, -3600, 7200);
  Replace(files_.key, next.key);
  Replace(files_.cert, next.cert);
  EXPECT_THAT(*LookTwice(), ElementsAre(files_.cert, files_.key));
  EXPECT_EQ(copies_->copies().cert, paths.cert) << "gRPC was given the paths";
  EXPECT_EQ(copies_->copies().key, paths.key);
  ExpectCopiesOf(Text(next.cert), Text(next.key), Text(files_.ca));
  EXPECT_EQ(copies_->certificate(), *ReadCertificateFacts(Text(next.cert)));
  EXPECT_THAT(*copies_->Look(), IsEmpty());

  CertificateMaker other("other");
  Replace(files_.ca, other.ca_file());
  EXPECT_THAT(*LookTwice(), ElementsAre(files_.ca));
}

TEST_F(TlsCopiesTest, StayAsTheyAreWhileTheFilesAreOfNoUse) {
  const std::string cert = Text(files_.cert), key = Text(files_.key), ca = Text(files_.ca);
  const TlsFiles next = ca_.Issue("next", {"DNS:localhost"});
  const auto refused = [&](const std::string& why) {
    const auto changed = LookTwice();
    EXPECT_FALSE(changed.ok());
    EXPECT_THAT(std::string(changed.status().message()), HasSubstr(why));
    EXPECT_TRUE(copies_->Look().ok()) << "it is said once";
    ExpectCopiesOf(cert, key, ca);
  };
  Replace(files_.cert, next.cert);  // the key comes later
  refused(files_.key + ": is not the key of the certificate");
  std::ofstream(files_.key) << "half of a key";
  refused(files_.key + ": holds no private key");
  fs::remove(files_.key);
  refused(files_.key + ": No such file");
  const TlsFiles ended = ca_.Issue("ended", {"DNS:localhost"}, -7200, -3600);
  Replace(files_.cert, ended.cert);
  Replace(files_.key, ended.key);
  refused("expired at");

  Replace(files_.cert, next.cert);
  Replace(files_.key, next.key);
  EXPECT_THAT(*LookTwice(), ElementsAre(files_.cert, files_.key));
  ExpectCopiesOf(Text(next.cert), Text(next.key), ca);
}

TEST_F(TlsCopiesTest, LeaveNoDescriptorBehind) {
  const auto open = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  copies_.reset();
  const auto before = open();
  copies_ = *TlsCopies::Make(files_);
  for (int i = 0; i < 3; ++i) {
    const TlsFiles next = ca_.Issue("next" + std::to_string(i), {"DNS:localhost"});
    Replace(files_.key, next.key);
    Replace(files_.cert, next.cert);
    EXPECT_EQ(LookTwice()->size(), 2u);
  }
  EXPECT_EQ(open(), before + 3);
  copies_.reset();
  EXPECT_EQ(open(), before);
}

TEST(TlsCopies, BadFilesAreRefusedAtOnce) {
  EXPECT_EQ(TlsCopies::Make({"/nonexistent/a", "/nonexistent/b", "/nonexistent/c"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TlsWatch, TellsOfRenewalUntilItIsStopped) {
  CertificateMaker ca("watch");
  const TlsFiles files = ca.Issue("mine", {"DNS:localhost"});
  auto watch = TlsWatch::Make(files, SystemClock());
  ASSERT_TRUE(watch.ok()) << watch.status();
  std::promise<void> renewed;
  (*watch)->Start([&] { renewed.set_value(); });
  const TlsFiles next = ca.Issue("next", {"DNS:localhost"});
  fs::rename(next.key, files.key);
  fs::rename(next.cert, files.cert);
  // Within a look and the settling time.
  ASSERT_EQ(renewed.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_EQ(Text((*watch)->copies().cert), Text(files.cert));
  (*watch)->Stop();
  (*watch)->Stop();
  EXPECT_EQ(Text((*watch)->copies().key), Text(files.key)) << "the copies stay";
}

}  // namespace
}  // namespace portolan
