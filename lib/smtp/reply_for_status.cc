#include "lib/smtp/reply_for_status.h"

namespace fermo::smtp {

Reply ReplyForStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return MakeReply(452, {4, 3, 1}, "No room for the message now, please try again later");
    case absl::StatusCode::kUnavailable:
      return MakeReply(451, {4, 3, 0}, "The message can't be made safe now, please try again");
    case absl::StatusCode::kDeadlineExceeded:
      return MakeReply(451, {4, 3, 0}, "The message wasn't safe in time, please try again");
    case absl::StatusCode::kUnknown:
      return MakeReply(451, {4, 4, 2}, "The message's fate is not known here, please try again");
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnauthenticated:
    default:
      return MakeReply(451, {4, 3, 0}, "Trouble on our side, please try again");
  }
}

}  // namespace fermo::smtp
