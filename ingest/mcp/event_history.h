#pragma once

namespace runner::ingest {

// What is remembered of a cluster's events beyond one session. Belongs to the thread of the
// connections.
class EventHistory {};

}  // namespace runner::ingest
