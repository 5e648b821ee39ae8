using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Http.Features;

namespace Aeronet.Server.Diagnostics;

/// <summary>The diagnostic event of a refused request, under the name that listeners of Kestrel know.</summary>
internal static class BadRequestEvent
{
    public const string Name = "Microsoft.AspNetCore.Server.Kestrel.BadRequest";

    /// <summary>Raises the event when somebody listens.</summary>
    /// <param name="source">The host's listener; null without one.</param>
    /// <param name="features">The refused request, with <c>IBadRequestExceptionFeature</c> set.</param>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Listeners use the payload as IFeatureCollection, which is kept; nothing looks for its members by reflection.")]
    public static void Write(DiagnosticSource? source, IFeatureCollection features)
    {
        if (source is not null && source.IsEnabled(Name))
        {
            Debug.Assert(features.Get<IBadRequestExceptionFeature>()?.Error is not null);
            source.Write(Name, features);
        }
    }
}
