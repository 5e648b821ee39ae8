using System;
using System.Linq;
using System.Text;

namespace Aeronet.Microbenchmarks.Http1;

/// <summary>The request heads that benchmarks parse.</summary>
internal static class SampleHeads
{
    public const string Tiny = "tiny", Browser = "browser-like", HundredFields = "100 fields";

    public static byte[] Get(string name) => Encoding.ASCII.GetBytes(name switch
    {
        Tiny => "GET /plaintext HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
        Browser => BrowserLike(),
        HundredFields => "GET /plaintext HTTP/1.1\r\nHost: localhost\r\n" + string.Concat(Enumerable.Range(1, 99).Select(index => $"X-Field-{index}: value-{index}\r\n")) + "\r\n",
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    });

    private static string BrowserLike()
    {
        string cookies = string.Join("; ", Enumerable.Range(0, 12).Select(index => $"preference{index:D2}={new string((char)('a' + index), 110)}"));
        return $"""
            GET /catalogue/page/18?sort=price&order=ascending HTTP/1.1
            Host: www.example.com
            Connection: keep-alive
            Cache-Control: max-age=0
            sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"
            sec-ch-ua-mobile: ?0
            sec-ch-ua-platform: "Linux"
            Upgrade-Insecure-Requests: 1
            User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
            Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8
            Sec-Fetch-Site: same-origin
            Sec-Fetch-Mode: navigate
            Sec-Fetch-User: ?1
            Sec-Fetch-Dest: document
            Referer: http://www.example.com/catalogue/page/17
            Accept-Encoding: gzip, deflate, br, zstd
            Accept-Language: en-GB,en;q=0.9,cy;q=0.8
            If-None-Match: "33a64df551425fcc55e4d42a148795d9f25f89d4"
            If-Modified-Since: Mon, 02 Nov 2026 08:00:00 GMT
            DNT: 1
            Cookie: {cookies}


            """.ReplaceLineEndings("\r\n");
    }
}
