// nothing → whole requests, rightful and not, with the answers that RFC 9110 and 9112 and docs/serving.md give them.
#include "serve/http_cases.h"

namespace soma::test {
namespace {

using namespace std::string_literals;

const std::string kPicture(16, '\x7f');
const std::string kLive = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A GET of /v2/health/live with these lines in its head.
std::string get(const std::string& lines) { return "GET /v2/health/live HTTP/1.1\r\n" + lines + "\r\n"; }
/// A POST of a picture with these lines, and what follows the head.
std::string post(const std::string& lines, const std::string& body = kPicture) {
  return "POST / HTTP/1.1\r\nHost: localhost\r\n" + lines + "\r\n" + body;
}
std::string chunked(const std::string& body) { return post("Transfer-Encoding: chunked\r\n", body); }
std::string target(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"; }

std::string fields(int count, std::size_t size) {
  std::string all = "Host: localhost\r\n";
  for (int i = 0; i < count; ++i) all += "X" + std::to_string(i) + ": " + std::string(size, 'a') + "\r\n";
  return all;
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

/// A head of 16 391 bytes whose last line would stand where the target stood, were the first 16 384 moved out of the way.
std::string moving(const std::string& first, const std::string& hidden) {
  std::string head = first + " HTTP/1.1\r\nHost: localhost\r\n";
  const std::string last = "\r\n" + hidden + "\r\n\r\n";
  while (16391 - head.size() - last.size() > 600) head += "F: " + std::string(500, 'f') + "\r\n";
  head += "F: ";
  return head + std::string(16391 - head.size() - last.size(), 'f') + last;
}

}  // namespace

const std::vector<HttpCase>& http_cases() {
  static const std::vector<HttpCase> cases = {
      {"Picture", post("Content-Length: 16\r\n"), {200}},
      {"AbsoluteForm", get("Host: localhost\r\n").replace(4, 0, "http://localhost"), {200}},
      {"AbsoluteFormUpperCase", get("Host: elsewhere\r\n").replace(4, 0, "HTTP://LOCALHOST:80"), {200}},
      {"AbsoluteFormWithoutPath", "OPTIONS http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n", {200}},
      {"AbsoluteFormOfAnother", "GET ftp://localhost/v2 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}},
      {"AbsoluteFormWithUser", "GET http://a@localhost/v2 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}},
      {"AuthorityForm", "CONNECT x:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}},
      {"BareCr", get("Host: localhost\rX: y\r\n"), {400}},
      {"BareLf", get("Host: localhost\nX: y\r\n"), {400}},
      {"BareLfAtTheEnd", "GET /v2/health/live HTTP/1.1\nHost: localhost\n\n", {400}},
      {"LeadingCrlf", "\r\n\r\n" + kLive, {200}},
      {"LeadingCr", "\rGET / HTTP/1.1\r\n\r\n", {400}},
      {"NoHost", get(""), {400}},
      {"NoHostIn10", "GET /v2/health/live HTTP/1.0\r\n\r\n", {200}},
      {"KeepAliveIn10", "GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", {200}},
      {"TwoHosts", get("Host: localhost\r\nHost: localhost\r\n"), {400}},
      {"HostOfBytes", get("Host: \xff\xfe\r\n"), {400}},
      {"HostWithSpace", get("Host: local host\r\n"), {400}},
      {"ZeroInField", get("Host: localhost\r\nX: a\0b\r\n"s), {400}},
      {"EmptyName", get("Host: localhost\r\n: y\r\n"), {400}},
      {"NoColon", get("Host: localhost\r\nabc\r\n"), {400}},
      {"SpaceBeforeColon", get("Host: localhost\r\nX : y\r\n"), {400}},
      {"Folded", get("Host: localhost\r\nX-A: b\r\n c\r\n"), {400}},
      {"FoldedLength", post("Content-Length:\r\n 16\r\n"), {400}},
      {"FoldedCoding", post("Transfer-Encoding:\r\n\tchunked\r\n", "0\r\n\r\n"), {400}},
      {"TwoAuthorizations", get("Host: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n"), {400}},
      {"TwoContentTypes", post("Content-Length: 16\r\nContent-Type: image/png\r\nContent-Type: text/csv\r\n"), {400}},
      {"TwoContentEncodings", post("Content-Length: 16\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n"), {400}},
      {"TwoHeaderLengths",
       post("Content-Length: 16\r\nInference-Header-Content-Length: 0\r\ninference-header-content-length: 1\r\n"),
       {400}},
      {"TwoOrigins", post("Content-Length: 16\r\nOrigin: http://a\r\nOrigin: http://b\r\n"), {400}},
      {"TwoExpectations", post("Content-Length: 16\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n"), {400}},
      {"TwoLengths", post("Content-Length: 16\r\nContent-Length: 5\r\n"), {400}},
      {"SameLengthTwice", post("Content-Length: 16\r\nContent-Length: 16\r\n"), {400}},
      {"ListOfLengths", post("Content-Length: 16, 16\r\n"), {400}},
      {"LengthAfterTab", post("Content-Length:\t16\t\r\n"), {200}},
      {"NegativeLength", post("Content-Length: -16\r\n"), {400}},
      {"SignedLength", post("Content-Length: +16\r\n"), {400}},
      {"HexLength", post("Content-Length: 0x10\r\n"), {400}},
      {"EmptyLength", post("Content-Length:\r\n"), {400}},
      {"HugeLength", post("Content-Length: 99999999999999999999999\r\n"), {400}},
      {"WrappedLength", post("Content-Length: 18446744073709551632\r\n"), {400}},
      {"LengthBeyondLimit", post("Content-Length: 4294967296\r\n"), {413}},
      {"LengthAndCoding", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + kLive), {400}},
      {"CodingAndLength", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + kLive), {400}},
      {"EmptyCodingAndLength", post("Transfer-Encoding:\r\nContent-Length: 16\r\n"), {400}},
      {"CodingTwice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), {400}},
      {"TwoCodings", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), {501}},
      {"CodingIdentity", post("Transfer-Encoding: identity\r\n"), {501}},
      {"CodingQuoted", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), {501}},
      {"CodingAfterVerticalTab",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n",
            "0\r\n\r\n"),
       {400}},
      {"ChunkedIn10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}},
      {"Chunked",
       chunked("A\r\n" + kPicture.substr(0, 10) + "\r\n6\r\n" + kPicture.substr(10) + "\r\n0\r\n\r\n" + kLive),
       {200, 200}},
      {"ChunkOfHexLetters", chunked("0x10\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtension", chunked("10;a=b;c=\"d;e\"\r\n" + kPicture + "\r\n0\r\n\r\n"), {200}},
      {"ChunkExtensionWithSpaces", chunked("10; a = b ; c\r\n" + kPicture + "\r\n0;z=\"\\\"\"\r\n\r\n" + kLive), {200, 200}},
      {"ChunkExtensionWithoutName", chunked("10;\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionsWithoutNames", chunked("10;a;;b\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionWithoutValue", chunked("10;a=\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionWithOpenQuote", chunked("10;a=\"\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionBehindAQuote", chunked("10;a=\"b\"c\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionWithTwoWords", chunked("10;a b\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionWithLf", chunked("10;a\nb\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkExtensionWithoutEnd", chunked("10;" + std::string(5000, 'a')), {400}},
      {"ChunkLf", chunked("10\n" + kPicture + "\n0\n\n"), {400}},
      {"ChunkSpace", chunked("10 \r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkWithoutSize", chunked("\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"ChunkWithoutEnd", chunked("10\r\n" + kPicture + "XX0\r\n\r\n"), {400}},
      {"ChunkOfEveryBit", chunked("FFFFFFFFFFFFFFFF\r\n" + kPicture), {413}},
      {"ChunkWraps", chunked("F000000000000010\r\n" + kPicture + "\r\n0\r\n\r\n"), {413}},
      {"ChunksWrap", chunked("10\r\n" + kPicture + "\r\nFFFFFFFFFFFFFFF0\r\n"), {413}},
      {"ChunkOf17Digits", chunked("10000000000000010\r\n" + kPicture + "\r\n0\r\n\r\n"), {400}},
      {"Trailer", chunked("10\r\n" + kPicture + "\r\n0\r\nX-T: 1\r\n\r\n" + kLive), {200, 200}},
      {"TrailerOfAuthorization", chunked("10\r\n" + kPicture + "\r\n0\r\nAuthorization: Bearer x\r\n\r\n" + kLive), {200, 200}},
      {"TrailerWithoutColon", chunked("10\r\n" + kPicture + "\r\n0\r\nX\r\n\r\n"), {400}},
      {"TrailerWithoutEnd", chunked("0\r\nX: " + std::string(20000, 'x')), {431}},
      {"OtherContentCoding", post("Content-Encoding: br\r\nContent-Length: 16\r\n"), {415}},
      {"TwoContentCodings", post("Content-Encoding: gzip, gzip\r\nContent-Length: 16\r\n"), {415}},
      {"OtherExpectation", post("Expect: 200-ok\r\nContent-Length: 16\r\n"), {417}},
      {"Continue", post("Expect: 100-Continue\r\nContent-Length: 16\r\n"), {200}},
      {"ContinueIn10", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n" + kPicture, {200}},
      {"GetWithBody", get("Host: localhost\r\nContent-Length: 5\r\n") + "hello" + kLive, {200, 200}},
      {"PostWithoutLength", "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}},
      {"Pipelined", repeated(kLive, 100), std::vector<int>(100, 200)},
      {"PipelinedMixed", post("Content-Length: 16\r\n") + post("Content-Length: 3\r\n", "abc") + kLive, {200, 400, 200}},
      {"ManyFields", get(fields(101, 1)), {431}},
      {"Fields", get(fields(99, 1)), {200}},
      {"HeadOf17K", get(fields(20, 850)), {431}},
      {"HeadOf30K", get(fields(40, 750)), {431}},
      {"HeadOf16K", get("Host: localhost\r\nX: " + std::string(16384 - 54, 'x') + "\r\n"), {200}},
      {"HeadOf16KAndOne", get("Host: localhost\r\nX: " + std::string(16384 - 53, 'x') + "\r\n"), {431}},
      {"OnlyEmptyLines", repeated("\r\n", 9000), {431}},
      {"ChunksBehindAFullHead",
       "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nX: " + std::string(16384 - 73, 'x') +
           "\r\n\r\n10\r\n" + kPicture + "\r\n0\r\n\r\n",
       {200}},
      {"MovedGet", moving("GET /v2/health/live?", "XX: /soma/status?www"), {431}},
      {"MovedPost", moving("POST /v2/health/live?ssssss", "XXX: /v2/repository/models/small/unload?"), {431}},
      {"PathOf15K", target("/" + std::string(15000, 'a')), {404}},
      {"PathOf20K", target("/" + std::string(20000, 'a')), {431}},
      {"Garbage", "\x8d`b\xb8Z\xed\xf2\x19\xfe \xf9L\xcf\x45M", {400}},
      {"Tls", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"s + std::string(200, '\0'), {400}},
      {"Http09", "GET /v2\r\n\r\n", {400}},
      {"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
      {"OldVersion", "POST / HTTP/0.9\r\n\r\n", {505}},
      {"NoVersion", "GET / HTTP/\r\nHost: localhost\r\n\r\n", {400}},
      {"LongVersion", "GET / HTTP/1.10\r\nHost: localhost\r\n\r\n", {400}},
      {"TwoSpaces", "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}},
      {"NoTarget", "GET  HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}},
      {"TargetWithFragment", target("/v2#x"), {400}},
      {"Star", target("*"), {400}},
      {"OptionsStar", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", {200}},
      {"EscapedPath", target("/v2/%68ealth/live"), {200}},
      {"CutEscape", target("/v2/models/%4"), {400}},
      {"ZeroInPath", target("/v2/models/a%00b"), {404}},
      {"RawUtf8InPath", target("/v2/models/\xe6\x95\xb0"), {400}},
      {"UpAndDown", target("/v2/models/../health/live"), {404}},
      {"UpFromWeb", target("/web/../../../etc/passwd"), {404}},
      {"SlashAtTheEnd", target("/v2/health/live/"), {200}},
      {"Version0", target("/v2/models/small/versions/0"), {404}},
      {"NoVersionInPath", target("/v2/models/small/versions/"), {404}},
      {"NegativeVersion", target("/v2/models/small/versions/-1"), {404}},
      {"Put", "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", {405}},
      {"Trace", "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}},
      {"WebSocket", "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", {405}},
      {"OptionsOfNothing", "OPTIONS /nope HTTP/1.1\r\nHost: localhost\r\n\r\n", {404}},
      {"OtherHost", get("Host: evil.example\r\n"), {421}},
      {"HostWithOddPort", get("Host: localhost:abc\r\n"), {421}},
      {"HostThatGoesOn", get("Host: localhost.evil.example\r\n"), {421}},
      {"EmptyHost", get("Host:\r\n"), {421}},
      {"HostWithPort",
       get("Host: LOCALHOST:1\r\n") + get("Host: 127.0.0.1:8000\r\n") + get("Host: [::1]:8000\r\n") + get("Host: [::1]\r\n"),
       {200, 200, 200, 200}},
      {"OtherHostInTarget", "GET http://evil.example/v2 HTTP/1.1\r\nHost: localhost\r\n\r\n", {421}},
      {"UnloadWithoutControl",
       "POST /v2/repository/models/small/unload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
       {403}},
      {"RefusedBodyIsPassedOver",
       "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000\r\n\r\n" + std::string(20000, 'x') + kLive,
       {404, 200}},
      {"RefusedChunksEnd",
       "POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + kLive,
       {404}},
      {"LargeBodyWhereNoneIsWanted", "GET /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n", {413}},
      {"Preflight",
       "OPTIONS /v2/models/small/infer HTTP/1.1\r\nHost: localhost\r\nOrigin: http://else\r\nAccess-Control-Request-Method: "
       "POST\r\n\r\n",
       {200}}};
  return cases;
}

}  // namespace soma::test
