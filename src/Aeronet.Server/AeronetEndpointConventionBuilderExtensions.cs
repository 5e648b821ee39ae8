using System;
using Aeronet.Server;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Where the code of endpoints runs on Aeronet. No effect on other servers.</summary>
public static class AeronetEndpointConventionBuilderExtensions
{
    /// <summary>Lets the endpoint's code run apart from the loop's thread from the moment routing has found it: for code that is known to block or to compute for longer than a millisecond.</summary>
    /// <remarks>Costs a thread switch per request; the loop's other connections never wait for the endpoint. What runs before routing still runs on the loop's thread.</remarks>
    /// <typeparam name="TBuilder">The kind of builder.</typeparam>
    /// <param name="builder">The endpoint or group.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder RunOnThreadPool<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => Add(builder, ApplicationMode.ThreadPool);

    /// <summary>Keeps the endpoint's code on the loop's thread whatever its calls have cost so far. A call that does not return still loses the loop after the hand-off time.</summary>
    /// <typeparam name="TBuilder">The kind of builder.</typeparam>
    /// <param name="builder">The endpoint or group.</param>
    /// <returns>The same builder.</returns>
    public static TBuilder RunInline<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => Add(builder, ApplicationMode.Inline);

    private static TBuilder Add<TBuilder>(TBuilder builder, ApplicationMode mode)
        where TBuilder : IEndpointConventionBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Add(endpoint => endpoint.Metadata.Add(new ApplicationModeAttribute(mode)));
        return builder;
    }
}
