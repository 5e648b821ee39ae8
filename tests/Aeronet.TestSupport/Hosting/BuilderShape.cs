namespace Aeronet.TestSupport.Hosting;

/// <summary>Which of ASP.NET Core's application builders a test host starts from.</summary>
public enum BuilderShape
{
    /// <summary><c>WebApplication.CreateSlimBuilder</c>: what most tests need, and the quickest with routing.</summary>
    Slim,

    /// <summary><c>WebApplication.CreateBuilder</c>.</summary>
    Full,

    /// <summary><c>WebApplication.CreateEmptyBuilder</c>: nothing is registered but what the test adds.</summary>
    Empty,
}
