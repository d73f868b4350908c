#pragma once

namespace portolan {

// Kinds of rows in `parts`. The numbers are stored: never change one.
inline constexpr int kBaselinePart = 1, kHealthPart = 2, kCanariesPart = 3, kConfirmationsPart = 4,
                     kFindingsPart = 5, kNamesPart = 6, kLastRunsPart = 7, kTargetListPart = 8;

}  // namespace portolan
