using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Claims;
using System.Text;
using System.Threading.Tasks;
using Aeronet.EndToEnd.Tests.Columns;
using Aeronet.TestSupport.Hosting;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.FileProviders;
using Xunit;

namespace Aeronet.EndToEnd.Tests.Applications;

/// <summary>What ASP.NET Core gives, proven on our engine: one application with its usual middleware.</summary>
[NeedsNoSocket]
public sealed class MiddlewareTests(MiddlewareTests.UsualApplication hosts) : IClassFixture<MiddlewareTests.UsualApplication>
{
    private const string FileText = "0123456789abcdefghijklmnopqrstuvwxyz";

    [Theory]
    [BothServers("GET", "/route", 200)]
    [BothServers("DELETE", "/route", 405)]
    [BothServers("GET", "/nowhere", 404)]
    [BothServers("GET", "/route/7", 200)]
    [BothServers("GET", "/route/x", 404)]
    [Trait("Feature", "B2"), Trait("Feature", "B34"), Trait("Feature", "B57"), Trait("Feature", "B68")]
    public async Task Routing_decides_by_path_method_and_constraint(ServerKind server, string method, string path, int status)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using HttpResponseMessage response = await client.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(status, (int)response.StatusCode);
        if (status == 405)
        {
            Assert.Equal(["GET", "POST"], response.Content.Headers.Allow.Order());
        }
    }

    [Theory, BothServers]
    [Trait("Feature", "B75b")]
    public async Task Minimal_APIs_bind_route_query_header_and_body(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/bind/5?name=a%20b&tag=x&tag=y") { Content = JsonContent.Create(new Thing("t", 3)) };
        request.Headers.Add("X-Own", "h");
        using HttpResponseMessage response = await client.SendAsync(request);
        Assert.Equal("5|a b|x,y|h|t|3", await response.Content.ReadAsStringAsync());
        using HttpResponseMessage empty = await client.PostAsync(new Uri("/bind/5?name=a", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.BadRequest, empty.StatusCode);
        using var bad = new StringContent("{", Encoding.UTF8, "application/json");
        using HttpResponseMessage broken = await client.PostAsync(new Uri("/bind/5?name=a", UriKind.Relative), bad);
        Assert.Equal(HttpStatusCode.BadRequest, broken.StatusCode);
    }

    [Theory, BothServers]
    [Trait("Feature", "B60")]
    public async Task MVC_controllers_bind_validate_and_negotiate(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        Thing? thing = await client.GetFromJsonAsync<Thing>("/things/4");
        Assert.Equal(new Thing("thing 4", 4), thing);
        using HttpResponseMessage created = await client.PostAsJsonAsync("/things", new Thing("new", 9));
        Assert.Equal((HttpStatusCode.Created, "/things/9"), (created.StatusCode, created.Headers.Location?.ToString()));
        using HttpResponseMessage wrong = await client.PostAsync(new Uri("/things", UriKind.Relative), new StringContent("x", Encoding.UTF8, "text/plain"));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, wrong.StatusCode);
        using HttpResponseMessage limited = await client.PostAsync(new Uri("/things/limited", UriKind.Relative), new ByteArrayContent(new byte[100]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, limited.StatusCode);
    }

    [Theory, BothServers]
    [Trait("Feature", "B47")]
    public async Task Forms_and_uploads_are_read(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using var form = new FormUrlEncodedContent(new Dictionary<string, string> { ["a"] = "1 2", ["b"] = "\u00e9&=" });
        using HttpResponseMessage plain = await client.PostAsync(new Uri("/form", UriKind.Relative), form);
        Assert.Equal("a=1 2;b=\u00e9&=|", await plain.Content.ReadAsStringAsync());
        byte[] file = new byte[300_000];
        new Random(9).NextBytes(file);
        using var multipart = new MultipartFormDataContent { { new StringContent("v"), "field" }, { new ByteArrayContent(file), "file", "name.bin" } };
        using HttpResponseMessage upload = await client.PostAsync(new Uri("/form", UriKind.Relative), multipart);
        Assert.Equal($"field=v|name.bin {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(file))}", await upload.Content.ReadAsStringAsync());
    }

    [Theory, BothServers]
    public async Task Static_files_know_ranges_and_conditions(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using HttpResponseMessage whole = await client.GetAsync(new Uri("/static/file.txt", UriKind.Relative));
        Assert.Equal((FileText, "text/plain"), (await whole.Content.ReadAsStringAsync(), whole.Content.Headers.ContentType?.MediaType));
        using HttpResponseMessage part = await SendAsync(client, request => request.Headers.Range = new RangeHeaderValue(10, 12));
        Assert.Equal((HttpStatusCode.PartialContent, "abc", 36L), (part.StatusCode, await part.Content.ReadAsStringAsync(), part.Content.Headers.ContentRange!.Length));
        using HttpResponseMessage beyond = await SendAsync(client, request => request.Headers.Range = new RangeHeaderValue(100, 200));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, beyond.StatusCode);
        using HttpResponseMessage same = await SendAsync(client, request => request.Headers.IfNoneMatch.Add(whole.Headers.ETag!));
        Assert.Equal((HttpStatusCode.NotModified, ""), (same.StatusCode, await same.Content.ReadAsStringAsync()));
        using HttpResponseMessage head = await SendAsync(client, request => request.Method = HttpMethod.Head);
        Assert.Equal((HttpStatusCode.OK, 36L), (head.StatusCode, head.Content.Headers.ContentLength));
        using HttpResponseMessage big = await client.GetAsync(new Uri("/static/big.bin", UriKind.Relative));
        Assert.Equal(2_000_000, (await big.Content.ReadAsByteArrayAsync()).Length);

        static Task<HttpResponseMessage> SendAsync(HttpClient client, Action<HttpRequestMessage> configure)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "/static/file.txt");
            configure(request);
            return client.SendAsync(request);
        }
    }

    [Theory]
    [BothServers("gzip")]
    [BothServers("br")]
    [BothServers(null)]
    [Trait("Feature", "B4"), Trait("Defect", "RESP-8")]
    public async Task Responses_are_compressed_when_the_client_accepts(ServerKind server, string? coding)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/long");
        if (coding is not null)
        {
            request.Headers.AcceptEncoding.ParseAdd(coding);
        }

        using HttpResponseMessage response = await client.SendAsync(request);
        Assert.Equal(coding, response.Content.Headers.ContentEncoding.SingleOrDefault());
        Assert.Equal("text/plain", response.Content.Headers.ContentType?.MediaType);
        Stream body = await response.Content.ReadAsStreamAsync();
        using Stream decoded = coding switch
        {
            "gzip" => new GZipStream(body, CompressionMode.Decompress),
            "br" => new BrotliStream(body, CompressionMode.Decompress),
            _ => body,
        };
        using var reader = new StreamReader(decoded);
        Assert.Equal(UsualApplication.LongText, await reader.ReadToEndAsync());
    }

    [Theory, BothServers]
    public async Task Compressed_request_bodies_are_decoded(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Encoding.ASCII.GetBytes(UsualApplication.LongText));
        }

        using var content = new ByteArrayContent(packed.ToArray());
        content.Headers.ContentEncoding.Add("gzip");
        using HttpResponseMessage response = await client.PostAsync(new Uri("/length", UriKind.Relative), content);
        Assert.Equal(UsualApplication.LongText.Length.ToString(CultureInfo.InvariantCulture), await response.Content.ReadAsStringAsync());
    }

    [Theory, BothServers]
    [Trait("Defect", "RESP-29")]
    public async Task CORS_answers_preflight_and_marks_responses(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using var preflight = new HttpRequestMessage(HttpMethod.Options, "/route");
        preflight.Headers.Add("Origin", "https://good.example");
        preflight.Headers.Add("Access-Control-Request-Method", "GET");
        using HttpResponseMessage answer = await client.SendAsync(preflight);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.Equal("https://good.example", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/route");
        foreign.Headers.Add("Origin", "https://bad.example");
        using HttpResponseMessage refused = await client.SendAsync(foreign);
        Assert.False(refused.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory, BothServers]
    public async Task Health_checks_sessions_and_output_caching_work(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient(handler => handler.CookieContainer = new CookieContainer());
        Assert.Equal("Healthy", await client.GetStringAsync(new Uri("/health", UriKind.Relative)));
        Assert.Equal("1", await client.GetStringAsync(new Uri("/session", UriKind.Relative)));
        Assert.Equal("2", await client.GetStringAsync(new Uri("/session", UriKind.Relative)));
        string first = await client.GetStringAsync(new Uri("/cached", UriKind.Relative));
        Assert.Equal(first, await client.GetStringAsync(new Uri("/cached", UriKind.Relative)));
    }

    [Theory, BothServers]
    public async Task Cookie_authentication_lets_in_and_keeps_out(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient(handler => handler.CookieContainer = new CookieContainer());
        using HttpResponseMessage before = await client.GetAsync(new Uri("/private", UriKind.Relative));
        Assert.Equal(HttpStatusCode.Redirect, before.StatusCode);
        using HttpResponseMessage login = await client.PostAsync(new Uri("/login", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.OK, login.StatusCode);
        Assert.Equal("ann", await client.GetStringAsync(new Uri("/private", UriKind.Relative)));
    }

    [Theory, BothServers]
    public async Task The_rate_limiter_answers_503_and_lets_the_others_pass(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        int[] statuses = new int[3];
        for (int i = 0; i < statuses.Length; i++)
        {
            using HttpResponseMessage response = await client.GetAsync(new Uri("/limited", UriKind.Relative));
            statuses[i] = (int)response.StatusCode;
        }

        Assert.Equal([200, 200, 503], statuses);
    }

    [Theory, BothServers]
    public async Task Server_sent_events_arrive_one_by_one(ServerKind server)
    {
        AppHost host = await hosts.OnAsync(server);
        using HttpClient client = host.CreateClient();
        using HttpResponseMessage response = await client.GetAsync(new Uri("/events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal($"data: {i}", await reader.ReadLineAsync().WaitAsync(Guard.Time));
            Assert.Equal("", await reader.ReadLineAsync().WaitAsync(Guard.Time));
        }
    }

    [Theory, BothServers]
    public async Task Request_timeouts_replace_the_aborted_token(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        using HttpResponseMessage response = await client.GetAsync(new Uri("/timeout", UriKind.Relative));
        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
    }

    [Theory, BothServers]
    public async Task Results_stream_and_files_are_sent(ServerKind server)
    {
        using HttpClient client = (await hosts.OnAsync(server)).CreateClient();
        Assert.Equal(FileText, await client.GetStringAsync(new Uri("/stream", UriKind.Relative)));
        using HttpResponseMessage file = await client.GetAsync(new Uri("/download", UriKind.Relative));
        Assert.Equal((FileText, "attachment"), (await file.Content.ReadAsStringAsync(), file.Content.Headers.ContentDisposition?.DispositionType));
    }

    /// <summary>JSON payload.</summary>
    /// <param name="Name">A text.</param>
    /// <param name="Size">A number.</param>
    public sealed record Thing(string Name, int Size);

    /// <summary>The application under test.</summary>
    public sealed class UsualApplication : HostFixture
    {
        private static readonly string _files = Directory.CreateTempSubdirectory("aeronet-e2e-").FullName;

        /// <summary>Compressible text above every threshold.</summary>
        public static string LongText { get; } = string.Concat(Enumerable.Repeat("compressible text ", 3000));

        /// <inheritdoc />
        protected override void Configure(WebApplicationBuilder builder)
        {
            File.WriteAllText(Path.Combine(_files, "file.txt"), FileText);
            File.WriteAllBytes(Path.Combine(_files, "big.bin"), new byte[2_000_000]);
            IServiceCollection services = builder.Services;
            services.AddRouting();
            services.AddControllers().AddApplicationPart(typeof(ThingsController).Assembly);
            services.AddCors(cors => cors.AddDefaultPolicy(policy => policy.WithOrigins("https://good.example").AllowAnyMethod()));
            services.AddHealthChecks();
            services.AddResponseCompression(options => options.EnableForHttps = true);
            services.AddRequestDecompression();
            services.AddOutputCache();
            services.AddDistributedMemoryCache();
            services.AddSession();
            services.AddRequestTimeouts();
            services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie();
            services.AddAuthorization();
            services.AddRateLimiter(options => options.AddPolicy("two", context => System.Threading.RateLimiting.RateLimitPartition.GetFixedWindowLimiter(
                "all", _ => new() { PermitLimit = 2, Window = TimeSpan.FromHours(1) })));
        }

        /// <inheritdoc />
        protected override void Map(WebApplication app)
        {
            app.UseResponseCompression();
            app.UseRequestDecompression();
            app.UseStaticFiles(new StaticFileOptions { FileProvider = new PhysicalFileProvider(_files), RequestPath = "/static" });
            app.UseRouting();
            app.UseRequestTimeouts();
            app.UseCors();
            app.UseAuthentication();
            app.UseAuthorization();
            app.UseRateLimiter();
            app.UseOutputCache();
            app.UseSession();
            app.MapMethods("/route", ["GET", "POST"], () => "routed");
            app.MapGet("/route/{id:int}", (int id) => $"{id}");
            app.MapPost("/bind/{id}", (int id, string name, [FromQuery] string[] tag, [FromHeader(Name = "X-Own")] string? own, [FromBody] Thing thing) =>
                $"{id}|{name}|{string.Join(',', tag)}|{own}|{thing.Name}|{thing.Size}");
            app.MapControllers();
            app.MapPost("/form", async (HttpRequest request) =>
            {
                IFormCollection form = await request.ReadFormAsync();
                var files = new StringBuilder();
                foreach (IFormFile file in form.Files)
                {
                    await using Stream stream = file.OpenReadStream();
                    files.Append(file.FileName).Append(' ').Append(Convert.ToHexString(await System.Security.Cryptography.SHA256.HashDataAsync(stream)));
                }

                return string.Join(';', form.Select(pair => $"{pair.Key}={pair.Value}")) + "|" + files;
            });
            app.MapGet("/long", () => LongText);
            app.MapPost("/length", async (HttpRequest request) =>
            {
                using var reader = new StreamReader(request.Body);
                return (await reader.ReadToEndAsync()).Length;
            });
            app.MapHealthChecks("/health");
            app.MapGet("/session", async (HttpContext context) =>
            {
                await context.Session.LoadAsync();
                int count = (context.Session.GetInt32("count") ?? 0) + 1;
                context.Session.SetInt32("count", count);
                return count;
            });
            app.MapGet("/cached", () => Guid.NewGuid()).CacheOutput();
            app.MapPost("/login", (HttpContext context) => context.SignInAsync(new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, "ann")], "test"))));
            app.MapGet("/private", (HttpContext context) => context.User.Identity!.Name).RequireAuthorization();
            app.MapGet("/limited", () => "in").RequireRateLimiting("two");
            app.MapGet("/events", async (HttpContext context) =>
            {
                context.Response.ContentType = "text/event-stream";
                for (int i = 0; i < 3; i++)
                {
                    await context.Response.WriteAsync($"data: {i}\n\n");
                    await context.Response.Body.FlushAsync();
                    await Task.Delay(5);
                }

                // Stays open until the client has gone.
                await Task.Delay(-1, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            });
            app.MapGet("/timeout", (HttpContext context) => Task.Delay(-1, context.RequestAborted)).WithRequestTimeout(TimeSpan.FromMilliseconds(50));
            app.MapGet("/stream", () => Results.Stream(stream => stream.WriteAsync(Encoding.ASCII.GetBytes(FileText)).AsTask(), "text/plain"));
            app.MapGet("/download", () => Results.File(Path.Combine(_files, "file.txt"), "text/plain", "file.txt"));
        }

        /// <inheritdoc />
        protected override bool ErrorsExpectedOn(ServerKind server) => false;
    }
}

/// <summary>A controller as applications have them.</summary>
[ApiController]
[Route("things")]
public sealed class ThingsController : ControllerBase
{
    /// <summary>One thing.</summary>
    [HttpGet("{id:int}")]
    public MiddlewareTests.Thing Get(int id) => new($"thing {id}", id);

    /// <summary>Makes a thing.</summary>
    [HttpPost]
    [Consumes("application/json")]
    public IActionResult Post(MiddlewareTests.Thing thing) => Created($"/things/{thing?.Size}", thing);

    /// <summary>Reads a body that is too large for it.</summary>
    [HttpPost("limited")]
    [RequestSizeLimit(10)]
    public async Task<IActionResult> Limited()
    {
        await Request.Body.CopyToAsync(Stream.Null);
        return Ok();
    }
}
