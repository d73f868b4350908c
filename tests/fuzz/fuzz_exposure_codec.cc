// The records of monitors: whatever the bytes, a decoder must refuse them or agree with itself. The
// first byte says which type; the checksum is made right, or nothing would get behind it.
#include <cstddef>
#include <cstdint>
#include <string>

#include "coordinator/monitor_store/exposure_codec.h"
#include "coordinator/monitor_store/record.h"
#include "tests/fuzz/fuzz.h"

namespace portolan {
namespace {

template <typename T>
void Check(std::string_view bytes, absl::StatusOr<T> (*decode)(std::string_view),
           std::string (*encode)(const T&)) {
  const absl::StatusOr<T> value = decode(bytes);
  if (!value.ok()) return CheckError(value.status());
  const absl::StatusOr<T> again = decode(encode(*value));
  PORTOLAN_CHECK(again.ok() && *again == *value);
}

}  // namespace
}  // namespace portolan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace portolan;
  if (size == 0) return 0;
  const std::string record = SealRecord(std::string(Text(data + 1, size - 1)));
  switch (data[0] % 8) {
    case 0:
      Check(record, DecodeBaseline, EncodeBaseline);
      break;
    case 1:
      Check(record, DecodeHealth, EncodeHealth);
      break;
    case 2:
      Check(record, DecodeCanaries, EncodeCanaries);
      break;
    case 3:
      Check(record, DecodeConfirmations, EncodeConfirmations);
      break;
    case 4:
      Check(record, DecodeFinding, EncodeFinding);
      break;
    case 5:
      Check(record, DecodeFindings, EncodeFindings);
      break;
    case 6:
      Check(record, DecodeEvent, EncodeEvent);
      break;
    default:
      Check(record, DecodePlan, EncodePlan);
  }
  return 0;
}
