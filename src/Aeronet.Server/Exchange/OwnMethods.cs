using System;
using Aeronet.Http.Http1;
using Aeronet.Http.Semantics;

namespace Aeronet.Server.Exchange;

/// <summary>TRACE and <c>OPTIONS *</c> as far as an option takes them from the application.</summary>
internal static class OwnMethods
{
    // RFC 9110 section 9.3.8: a TRACE echo excludes fields that are likely to contain sensitive data.
    private static readonly KnownHeader[] s_secret = [KnownHeader.Authorization, KnownHeader.ProxyAuthorization, KnownHeader.Cookie];

    /// <summary>True when the response is framed.</summary>
    public static bool TryAnswer(HttpExchange exchange)
    {
        ServerSettings settings = exchange.Settings;
        RequestHead head = exchange.Head;
        if (head.Method == HttpMethod.Trace && settings.TracePolicy != TracePolicy.PassThrough)
        {
            AnswerTrace(exchange, settings);
            return true;
        }

        if (head.TargetForm == RequestTargetForm.Asterisk && settings.OptionsAsterisk == OptionsAsteriskPolicy.Answer)
        {
            exchange.ResponseFields["Allow"] = settings.AllowedMethods;
            EndWithoutContent(exchange);
            return true;
        }

        return false;
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
