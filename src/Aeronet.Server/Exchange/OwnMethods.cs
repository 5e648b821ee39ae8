using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;

namespace Aeronet.Server.Exchange;

/// <summary>TRACE and <c>OPTIONS *</c> as far as an option takes them from the application.</summary>
internal static class OwnMethods
{
    // RFC 9110 section 9.3.8: a TRACE echo excludes fields that are likely to contain sensitive data.
    private static readonly KnownHeader[] s_secret = [KnownHeader.Authorization, KnownHeader.ProxyAuthorization, KnownHeader.Cookie];

    /// <summary>Whether an option takes the request from the application.</summary>
    public static bool Applies(HttpExchange exchange) =>
        (exchange.Head.Method == HttpMethod.Trace && exchange.Settings.TracePolicy != TracePolicy.PassThrough)
        || (exchange.Head.TargetForm == RequestTargetForm.Asterisk && exchange.Settings.OptionsAsterisk == OptionsAsteriskPolicy.Answer);

    /// <summary>Frames the response to such a request.</summary>
    public static void Answer(HttpExchange exchange)
    {
        if (exchange.Head.Method == HttpMethod.Trace)
        {
            AnswerTrace(exchange, exchange.Settings);
            return;
        }

        exchange.ResponseFields["Allow"] = exchange.Settings.AllowedMethods;
        EndWithoutContent(exchange);
    }

    private static void AnswerTrace(HttpExchange exchange, ServerSettings settings)
    {
        if (settings.TracePolicy == TracePolicy.Disabled)
        {
            exchange.StatusCode = 405;
            exchange.ResponseFields["Allow"] = settings.AllowedMethods;
            EndWithoutContent(exchange);
            return;
        }

        exchange.ResponseFields.Set(KnownHeader.ContentType, "message/http");
        exchange.CopyHeadTo(exchange.Output, s_secret);
        EndWithoutContent(exchange);
    }

    private static void EndWithoutContent(HttpExchange exchange)
    {
        if (!exchange.RequestBody.TrySkipBuffered())
        {
            exchange.DisableKeepAlive(); // nobody reads the content
        }

        exchange.Output.End(send: false);
    }
}
