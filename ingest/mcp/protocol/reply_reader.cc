#include "ingest/mcp/protocol/reply_reader.h"

namespace runner::ingest {

void ReplyReader::OnText(std::string_view text) {
  if (!list_) list_.emplace();
  list_->Put(text);
}

void ReplyReader::Drop() {
  extractor_.Drop();
  list_.reset();
}

ReplyReader::Reply ReplyReader::Take() {
  Reply reply;
  reply.oversize = extractor_.overflow();
  reply.json = extractor_.Take();
  if (list_) reply.listed = list_->Finish();
  list_.reset();
  return reply;
}

}  // namespace runner::ingest
