#include "tools/faultsim/wire.h"

#include <gtest/gtest.h>

namespace runner::faultsim {
namespace {

TEST(Wire, AResponseHasAContentLength) {
  EXPECT_EQ(RenderResponse({404, {{"X", "y"}}, "gone\n"}),
            "HTTP/1.1 404 Not Found\r\nX: y\r\nContent-Length: 5\r\n\r\ngone\n");
}

TEST(Wire, A204ResponseHasNoContentLength) {
  EXPECT_EQ(RenderResponse({204, {}, {}}), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(Wire, AStreamIsChunked) {
  HttpResponse response;
  response.stream = true;
  EXPECT_EQ(RenderResponse(response), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(RenderEvent("a"), "18\r\nevent: message\ndata: a\n\n\r\n");
  EXPECT_EQ(RenderStreamEnd(), "0\r\n\r\n");
}

TEST(Wire, EachLineOfDataBecomesADataLine) {
  EXPECT_NE(RenderEvent("a\nb\n").find("data: a\ndata: b\ndata: \n\n"), std::string::npos);
}

}  // namespace
}  // namespace runner::faultsim
