using System;
using System.Linq;
using Aeronet.AB.Load;

namespace Aeronet.AB.Scenarios;

/// <summary>A head as browsers send it behind a login: 20 field lines, 1.5 KB of cookies among them.</summary>
internal sealed class BrowserLike : RequestScenario
{
    private const int CookieBytes = 1500;

    public override string Name => "browser";

    public override string Title => "browser-like request (20 fields, 1.5 KB of cookies), 64 connections";

    public override LoadRequest Request { get; } = new(RequestText.Get("/plaintext", Fields()));

    public override int Connections => 64;

    private static string Fields()
    {
        string cookies = string.Join("; ", Enumerable.Range(0, 12).Select(index => $"preference{index:D2}={new string((char)('a' + index), (CookieBytes / 12) - 15)}"));
        string[] fields =
        [
            "Connection: keep-alive",
            "Cache-Control: max-age=0",
            "sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"",
            "sec-ch-ua-mobile: ?0",
            "sec-ch-ua-platform: \"Linux\"",
            "Upgrade-Insecure-Requests: 1",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "Sec-Fetch-Site: same-origin",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-User: ?1",
            "Sec-Fetch-Dest: document",
            "Referer: http://localhost/catalogue/page/17?sort=price&order=ascending",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Accept-Language: en-GB,en;q=0.9,cy;q=0.8",
            "If-None-Match: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
            "If-Modified-Since: Mon, 02 Nov 2026 08:00:00 GMT",
            "DNT: 1",
            $"Cookie: {cookies}",
        ];
        return string.Concat(fields.Select(field => field + "\r\n")); // and Host makes twenty
    }
}
